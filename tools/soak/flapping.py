"""Plays a camera for a long time, while the camera and the broker come and go, and judges what comes of it.

    python -m tools.soak.flapping [--minutes 60] [--seed 1] [--expect no-leak|leak]

GStreamer's RTSP server, mosquitto with a persistent store, `framehook serve`, and `framehook play` with a gate and
clips, all on this machine. The camera is killed and started again, the broker is stopped, frozen and started again, and
connections to it are cut within packets. In the end every event that the player wrote to a file must have come to a
consumer at the broker: none lost, none doubled, in order. Memory, file descriptors and threads of the player are read
all the time; see tools.soak for the verdict. With `--expect leak` the player is one that keeps what it has read.
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias
from urllib.request import urlopen

from lab.gst_camera import GstCamera, Show
from lab.mosquitto import Consumer, Mosquitto, Proxy
from lab.pictures import street
from lab.wire import free_port
from tools.soak.judging import Sample, judge

FRAMEHOOK = Path(sys.executable).with_name("framehook")
AVA = "#Microsoft.VideoAnalyzer."
PICTURES = 40
FROZEN_SHARE, CUT_SHARE = 0.5, 0.3
"""How often a broker that goes is only frozen, and how often its connections are cut when a sample is taken."""
SAMPLE_S, FLUSH_S = 20.0, 90.0
CAMERA_UP_S, CAMERA_DOWN_S = (20.0, 60.0), (1.0, 10.0)
BROKER_UP_S, BROKER_DOWN_S = (20.0, 90.0), (1.0, 30.0)

Spans: TypeAlias = tuple[tuple[float, float], tuple[float, float]]
"""For how long something is there, and gone: at least and at most, in seconds."""


def write_topology(folder: Path, camera: str, server: str) -> Path:
    """Write a topology with an extension, a gate that often opens, and clips; return its path."""

    def node(kind: str, name: str, *inputs: str, **keys: object) -> dict[str, object]:
        return {"@type": AVA + kind, "name": name, "inputs": [{"nodeName": each} for each in inputs], **keys}

    def endpoint(url: str) -> dict[str, str]:
        return {"@type": AVA + "UnsecuredEndpoint", "url": url}

    gate = {"activationSignalOffset": "-PT5S", "minimumActivationTime": "PT10S", "maximumActivationTime": "PT20S"}
    properties = {
        "sources": [{"@type": AVA + "RtspSource", "name": "camera", "endpoint": endpoint(camera)}],
        "processors": [
            node("MotionDetectionProcessor", "motion", "camera"),
            node("HttpExtension", "detector", "camera", endpoint=endpoint(server),
                 samplingOptions={"maximumSamplesPerSecond": "2"}),
            node("SignalGateProcessor", "gate", "detector", "camera", **gate),
        ],
        "sinks": [
            node("IotHubMessageSink", "events", "motion", "detector", hubOutputName="o"),
            node("FileSink", "files", "gate", baseDirectoryPath=str(folder / "clips"),
                 fileNamePattern="clip-${System.Runtime.DateTime}", maximumSizeMiB="20"),
        ],
    }  # fmt: skip
    path = folder / "soak.json"
    path.write_text(json.dumps({"@apiVersion": "1.1", "name": "soak", "properties": properties}))
    return path


def write_frames(folder: Path) -> Path:
    """Write what the camera shows: the street photo, moving; return the folder."""
    picture = street().resize((400, 300))
    (folder / "frames").mkdir()
    for number in range(PICTURES):
        shift = min(number, PICTURES - number)
        picture.crop((2 * shift, 0, 352 + 2 * shift, 288)).save(folder / "frames" / f"{number:03}.jpg", quality=90)
    return folder / "frames"


def flap(down: Callable[[], None], up: Callable[[], None], spans_s: Spans, over: threading.Event, seed: int) -> int:
    """Let something come and go until it is over; return how often it went. It is there at the end."""
    times, (up_s, down_s), chance = 0, spans_s, random.Random(seed)
    while not over.wait(chance.uniform(*up_s)):
        down()
        times += 1
        over.wait(chance.uniform(*down_s))
        up()
    return times


def main() -> int:
    """Soak; return 0 if nothing was lost or doubled and the verdict is the expected one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--expect", choices=("no-leak", "leak"), default="no-leak")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        return Soak(Path(name), options).run()


class Soak:
    """Everything that runs. `folder`: for the files of all."""

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self._folder, self._options = folder, options
        self._chance = random.Random(options.seed)
        self._camera = GstCamera(write_frames(folder), Show(rate=10, gop=10))
        (folder / "broker").mkdir()
        self._broker = Mosquitto(folder / "broker", is_persistent=True)
        self._is_frozen = False
        self._server_port, self._status_port = free_port(), free_port()

    def run(self) -> int:
        """Run, print what came of it, and return the exit status."""
        self._broker.start()
        proxy = Proxy(self._broker.port)
        consumer = Consumer(self._broker.port)
        consumer.is_subscribed.wait(20)
        server = subprocess.Popen(
            [FRAMEHOOK, "serve", "--port", str(self._server_port)], stderr=subprocess.DEVNULL, start_new_session=True
        )
        player = self._play(proxy.port)
        samples: list[Sample] = []
        try:
            with self._camera:
                self._flap(proxy, player.pid, samples)
                self._wait_until_delivered()
                player.send_signal(signal.SIGTERM)
                player.wait(60)
                time.sleep(5)  # the broker hands the last ones on
        finally:
            for process in (player, server):
                process.kill()
                process.wait()
            consumer.close()
            proxy.close()
            self._broker.stop(signal.SIGKILL)
        is_right = self._compare(consumer.ids)
        verdict = judge(samples)
        return 0 if is_right and verdict == self._options.expect else 1

    def _play(self, broker_port: int) -> "subprocess.Popen[bytes]":
        topology = write_topology(
            self._folder, self._camera.url, f"http://127.0.0.1:{self._server_port}/inference?confidence=0.3"
        )
        leaky: list[str | Path] = [sys.executable, "-m", "tools.soak.leaky_player"]
        command: list[str | Path] = leaky if self._options.expect == "leak" else [FRAMEHOOK]
        outputs: list[str | Path] = ["--to", f"mqtt://127.0.0.1:{broker_port}", "--to", self._folder / "events.jsonl"]
        return subprocess.Popen(
            [*command, "play", topology, *outputs, "--status", str(self._status_port)], stderr=subprocess.DEVNULL
        )

    def _flap(self, proxy: Proxy, pid: int, samples: list[Sample]) -> None:
        """Let camera and broker come and go, and read the player's memory, until the time is over."""
        over, counts = threading.Event(), {"camera": 0, "broker": 0}

        def camera() -> None:
            spans_s = CAMERA_UP_S, CAMERA_DOWN_S
            counts["camera"] = flap(self._camera.kill, self._camera.start, spans_s, over, self._options.seed)

        def broker() -> None:
            spans_s = BROKER_UP_S, BROKER_DOWN_S
            counts["broker"] = flap(self._broker_down, self._broker_up, spans_s, over, self._options.seed + 1)

        threads = [threading.Thread(target=part) for part in (camera, broker)]
        for thread in threads:
            thread.start()
        began_s = time.monotonic()
        while time.monotonic() < began_s + 60 * self._options.minutes:
            time.sleep(SAMPLE_S)
            if self._chance.random() < CUT_SHARE:
                proxy.cut()
            samples.append(_sample(pid, time.monotonic() - began_s))
        over.set()
        for thread in threads:
            thread.join()
        print(f"camera gone {counts['camera']} times, broker {counts['broker']} times, {proxy.cuts} connections cut")

    def _broker_down(self) -> None:
        self._is_frozen = self._chance.random() < FROZEN_SHARE
        if self._is_frozen:
            self._broker.send(signal.SIGSTOP)
        else:
            self._broker.stop()

    def _broker_up(self) -> None:
        if self._is_frozen:
            self._broker.send(signal.SIGCONT)
        else:
            self._broker.start()

    def _wait_until_delivered(self) -> None:
        until_s = time.monotonic() + FLUSH_S
        while time.monotonic() < until_s:
            with urlopen(f"http://127.0.0.1:{self._status_port}/status") as answer:
                status = json.load(answer)
            if not any(output["waiting"] for output in status["outputs"]):
                break
            time.sleep(1)
        [pipeline] = status["pipelines"]
        print({key: pipeline[key] for key in ("sessions", "frames", "answered", "failed", "events", "clips")})

    def _compare(self, came: list[str]) -> bool:
        """Print and return whether the consumer got what the file has, up to the last event that both have."""
        told = [json.loads(line)["id"] for line in (self._folder / "events.jsonl").read_text().splitlines()]
        doubled = len(came) - len(set(came))
        lost = len(set(told) - set(came))
        unique = list(dict.fromkeys(came))
        is_ordered = unique == [each for each in told if each in set(unique)]
        clips = sorted((self._folder / "clips").iterdir())
        size_mib = sum(clip.stat().st_size for clip in clips) / (1 << 20)
        unfinished = sum(clip.suffix == ".part" for clip in clips)
        print(f"{len(told)} events, {lost} lost, {doubled} doubled, {'in order' if is_ordered else 'not in order'}")
        print(f"{len(clips)} clips kept, {size_mib:.1f} MiB; {unfinished} unfinished")
        return not lost and not doubled and is_ordered


def _sample(pid: int, time_s: float) -> Sample:
    """Return the memory, files and threads of a process."""
    proc = Path("/proc") / str(pid)
    lines = (proc / "smaps_rollup").read_text().splitlines()
    memory_mib = sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
    files, threads = (len(list((proc / folder).iterdir())) for folder in ("fd", "task"))
    return Sample(time_s, memory_mib, files, threads, memory_mib)


if __name__ == "__main__":
    sys.exit(main())
