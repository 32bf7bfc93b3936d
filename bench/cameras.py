"""Measures what cameras cost that `framehook play` reads, step by step, beside the server on the same machine.

    python -m bench.cameras --video FILE [--cameras 8] [--size 1920x1080] [--rate 15] [--samples 5] [--seconds 30]
        [--output FILE]

The recording is encoded once and served by GStreamer as it is. Each step has its own topology and its own run: to
read and record packets; to decode them, too; to look for motion, too; to ask the extension, too, over HTTP and in one
process. The difference of two steps is what the later one costs. CPU is that of all processes but the camera.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from bench.harness import report
from bench.harness.cameras import camera, record
from bench.harness.processes import ProcessTree
from lab.wire import free_port

FRAMEHOOK = Path(sys.executable).with_name("framehook")
AVA = "#Microsoft.VideoAnalyzer."
WARM_UP_S = 8.0
LOADING_S = 60.0


@dataclass(frozen=True, slots=True)
class Step:
    """One run. `nodes`: what is in the topology besides the camera and the recording of packets."""

    name: str
    nodes: tuple[dict[str, Any], ...] = ()
    serves: bool = False
    in_process: bool = False


def node(kind: str, name: str, source: str, **keys: Any) -> dict[str, Any]:
    """Return one node of a topology."""
    return {"@type": AVA + kind, "name": name, "inputs": [{"nodeName": source}], **keys}


def steps(samples: float, url: str) -> list[Step]:
    """Return the steps, each with all that the one before has."""
    few = node("FrameRateFilterProcessor", "few", "camera", maximumFps="1")
    motion = node("MotionDetectionProcessor", "motion", "camera")
    asking = node(
        "HttpExtension",
        "detector",
        "camera",
        endpoint={"@type": AVA + "UnsecuredEndpoint", "url": url},
        image={
            "scale": {"mode": "preserveAspectRatio", "width": "640"},
            "format": {"@type": AVA + "ImageFormatJpeg", "quality": "90"},
        },
        samplingOptions={"maximumSamplesPerSecond": str(samples)},
    )
    return [
        Step("read and record"),
        Step("decode", (few,)),
        Step("look for motion", (motion,)),
        Step("ask over HTTP", (motion, asking), serves=True),
        Step("ask in one process", (motion, asking), serves=True, in_process=True),
    ]


def write_list(folder: Path, step: Step, address: str, cameras: int) -> Path:
    """Write the topology of a step, and a list of pipelines with it; return the list."""
    sinks = [node("VideoSink", "recording", "camera", videoName="${System.PipelineName}")]
    sinks += [
        node("IotHubMessageSink", f"{each['name']}-events", each["name"], hubOutputName="o") for each in step.nodes
    ]
    source = {"@type": AVA + "RtspSource", "name": "camera"}
    endpoint = {"@type": AVA + "UnsecuredEndpoint", "url": address}
    properties = {"sources": [{**source, "endpoint": endpoint}], "processors": [*step.nodes], "sinks": sinks}
    (folder / "step.json").write_text(json.dumps({"@apiVersion": "1.1", "name": "step", "properties": properties}))
    pipelines = [{"name": f"camera-{number}", "topology": "step.json"} for number in range(cameras)]
    listed = folder / "list.yaml"
    listed.write_text(json.dumps({"events": [str(folder / "events.jsonl")], "clips": "clips", "pipelines": pipelines}))
    return listed


@contextmanager
def running(*arguments: str | Path) -> Iterator[ProcessTree]:
    """Run framehook until the block ends; if that fails, print the end of its log."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen([FRAMEHOOK, *arguments], start_new_session=True, stderr=log)
        try:
            yield ProcessTree(process.pid)
        except TimeoutError:
            log.seek(0)
            print(log.read().decode()[-2000:])
            raise
        finally:
            process.terminate()
            process.wait(30)


def wait_for(url: str) -> None:
    """Wait until an address answers with 200."""
    until = time.monotonic() + LOADING_S
    while time.monotonic() < until:
        try:
            if httpx.get(url).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise TimeoutError(f"{url} is not ready")


def totals(status: str) -> Mapping[str, float]:
    """Return the sums over all pipelines, as they are now."""
    pipelines = httpx.get(f"{status}/status").json()["pipelines"]
    waited_ms = sum(each.get("waitMs", 0) * each["answered"] for each in pipelines)
    names = ("frames", "packets", "asked", "answered", "failed", "skipped")
    return {"waited_ms": waited_ms, **{name: sum(each[name] for each in pipelines) for name in names}}


def measure(step: Step, options: argparse.Namespace, address: str, server_port: int) -> dict[str, Any]:
    """Return the figures of one step."""
    port = free_port()
    status = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as name:
        listed = write_list(Path(name), step, address, options.cameras)
        own = ["--serve", "--port", str(server_port)] if step.in_process else []
        trees = []
        with _server(server_port if step.serves and not step.in_process else None) as server:
            trees += [server] if server else []
            with running("play", listed, "--status", str(port), *own) as player:
                trees.append(player)
                wait_for(f"{status}/health")
                time.sleep(WARM_UP_S)
                before, cpu_s, began_s = totals(status), [tree.cpu_s() for tree in trees], time.monotonic()
                time.sleep(options.seconds)
                after, wall_s = totals(status), time.monotonic() - began_s
                used_s = [tree.cpu_s() - was for tree, was in zip(trees, cpu_s, strict=True)]
    passed = {key: after[key] - before[key] for key in after}
    return {
        "step": step.name,
        "cores": sum(used_s) / wall_s,
        "player_cores": used_s[-1] / wall_s,
        "packets_per_s": passed["packets"] / wall_s,
        "frames_per_s": passed["frames"] / wall_s,
        "answers_per_s": passed["answered"] / wall_s,
        "skipped_per_s": passed["skipped"] / wall_s,
        "failed_per_s": passed["failed"] / wall_s,
        "wait_ms": passed["waited_ms"] / passed["answered"] if passed["answered"] else 0.0,
    }


@contextmanager
def _server(port: int | None) -> Iterator[ProcessTree | None]:
    if port is None:
        yield None
        return
    with running("serve", "--port", str(port)) as tree:
        wait_for(f"http://127.0.0.1:{port}/health/ready")
        yield tree


def main() -> None:
    """Measure all steps, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--video", type=Path, required=True)
    parser.add_argument("--cameras", type=int, default=8)
    parser.add_argument("--size", default="1920x1080")
    parser.add_argument("--rate", type=int, default=15)
    parser.add_argument("--samples", type=float, default=5)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    width, _, height = options.size.partition("x")
    server_port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        recording = record(options.video, Path(folder) / "street.mp4", (int(width), int(height)), options.rate, 600)
        results = []
        print(f"{'step':<20}{'cores':>7}{'player':>8}{'decoded/s':>11}{'answers/s':>11}{'skipped/s':>11}{'wait ms':>9}")
        for step in steps(options.samples, f"http://127.0.0.1:{server_port}/inference"):
            with camera(recording, free_port()) as address:
                found = measure(step, options, address, server_port)
            results.append(found)
            print(
                f"{found['step']:<20}{found['cores']:>7.2f}{found['player_cores']:>8.2f}{found['frames_per_s']:>11.1f}"
                f"{found['answers_per_s']:>11.1f}{found['skipped_per_s']:>11.1f}{found['wait_ms']:>9.1f}",
                flush=True,
            )
    report.write(options.output, "cameras", options, results)


if __name__ == "__main__":
    main()
