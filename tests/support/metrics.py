"""Reads /metrics."""

from prometheus_client.parser import text_string_to_metric_families

from tests.support.server import LiveServer


def samples(server: LiveServer) -> dict[tuple[str, ...], float]:
    """Return every sample by its name followed by its label values, in the order of the label names."""
    text = server.client.get("/metrics").text
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def runs(server: LiveServer) -> float:
    """Return how often the default model ran."""
    return samples(server).get(("framehook_stage_duration_seconds_count", server.model, "run"), 0)
