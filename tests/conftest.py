"""The servers that many tests share."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from connexion.spec import OpenAPISpecification
from hypothesis import HealthCheck, settings

from handlers.server.middleware.logs import JsonFormatter
from lab.graphs import write_identity_model
from tests.support.credentials import AUTHORIZED, GUARDED, RELOADABLE, SECRETS
from tests.support.server import LiveServer, running, serving
from tests.support.waiting import PATIENCE_S

# The machines are shared: the time of one example proves nothing. Each run has the same examples, so that no change is
# blamed for what a new example has found; `scripts/test --hypothesis-profile searching` draws new ones.
PATIENT: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("searching", **PATIENT, derandomize=False, max_examples=1000)
settings.register_profile("framehook", **PATIENT, derandomize=True)
settings.load_profile("framehook")


@pytest.fixture(scope="session", autouse=True)
def contracts_are_validated_once() -> Iterator[None]:
    """Let connexion validate each contract once, not at each of a few hundred starts: half of a start's CPU time."""
    validated: set[str] = set()
    validate = OpenAPISpecification._validate_spec  # noqa: SLF001  # connexion has no public way

    def validate_once(spec: dict[str, Any]) -> None:
        text = json.dumps(spec)
        if text not in validated:
            validate(spec)
            validated.add(text)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OpenAPISpecification, "_validate_spec", staticmethod(validate_once))
        yield


@pytest.fixture(scope="session", autouse=True)
def slowness_is_no_fault() -> Iterator[None]:
    """Make /metrics and /status for each request, and show viewers what took long to decode or to draw.

    Tests ask so often that they would get the documents of a while ago, and a busy machine takes seconds for anything.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("handlers.server.app.Rationed", lambda make: make)
        patch.setattr("handlers.server.parts.PAINTER_LIMIT_S", PATIENCE_S)
        patch.setattr("handlers.dataplane.MAX_SHOWN_DECODE_MS", 1000 * PATIENCE_S)
        yield


class SecretsHandler(logging.Handler):
    """Collects every log line that contains a secret of the tests."""

    def __init__(self) -> None:
        super().__init__()
        self.telling: list[str] = []
        self.setFormatter(JsonFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record)
        self.telling += [line] * any(secret in line for secret in SECRETS)


@pytest.fixture(scope="session", autouse=True)
def no_secret_is_logged() -> Iterator[None]:
    """Check everything that the service logs in the process of the tests."""
    handler = SecretsHandler()
    logging.getLogger().addHandler(handler)
    logging.getLogger("framehook").setLevel(logging.INFO)  # each request has a line
    yield
    logging.getLogger().removeHandler(handler)
    assert handler.telling == []


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """The service with its default model and a queue deep enough for any fuzzing."""
    with running(queue_size=1000, streams=tmp_path_factory.mktemp("streams"), **RELOADABLE) as live:
        yield live


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """The same, where everything needs a credential."""
    streams = tmp_path_factory.mktemp("streams")
    with running(queue_size=1000, wait_until_ready=False, streams=streams, **GUARDED) as live:
        live.wait_until_ready(AUTHORIZED)
        yield live


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """The service with the identity model, whose answers prove which frame they belong to."""
    folder = write_identity_model(tmp_path_factory.mktemp("repository"))
    with serving(folder, lanes=4, queue_size=1000) as live:
        yield live
