"""A model repository that somebody else writes to while it is served."""

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from bench.attacks.victim import Finding, Victim
from bench.harness.servers import OK
from lab.graphs import write_identity_model

ARRIVING_S, TAKEN_UP_S, ASK_AGAIN_S = 5.0, 15.0, 0.2
YAML_BYTES, MOST_CPU_S = 2 << 20, 3.0


def folder_that_arrives(victim: Victim) -> Finding:
    """Add a folder with model.yaml and nothing else, for some seconds."""
    _config_of(victim, "arriving", (victim.root / "identity" / "model.yaml").read_text())
    until, statuses = time.monotonic() + ARRIVING_S, []
    while time.monotonic() < until:
        statuses.append(victim.ask("GET", "/health/ready").status)
        time.sleep(ASK_AGAIN_S)
    detail = json.loads(victim.ask("GET", "/models").body).get("broken", [{}])[0].get("detail", "")
    shows_path = str(victim.root) in detail
    figure = f"ready in {statuses.count(OK)} of {len(statuses)} probes{', paths are shown' if shows_path else ''}"
    return Finding(figure, set(statuses) == {OK} and not shows_path)


def names_that_are_not_utf8(victim: Victim) -> Finding:
    """Add a folder and a file whose names are not UTF-8."""
    shutil.copytree(victim.root / "identity", victim.root / os.fsdecode(b"bad\xff"))
    (victim.root / "identity" / os.fsdecode(b".r\xe9sum\xe9.txt")).touch()
    time.sleep(2)
    statuses = [victim.ask("GET", target).status for target in ("/models", "/metrics")]
    finding = _is_still_watched(victim)
    return Finding(f"/models and /metrics {statuses}, {finding.figure}", statuses == [OK, OK] and finding.is_held)


def links_to_themselves(victim: Victim) -> Finding:
    """Add a link to itself to a model's folder, and one in place of a folder."""
    (victim.root / "identity" / "loop").symlink_to("loop")
    (victim.root / "loop").symlink_to("loop")
    time.sleep(2)
    (victim.root / "identity" / "loop").unlink()
    return _is_still_watched(victim)


def renames(victim: Victim) -> Finding:
    """Rename a served folder to a hidden name and back, again and again."""
    folder = write_identity_model(victim.root, "other")
    hidden = folder.with_name(".other")
    for _ in range(200):
        folder.rename(hidden)
        time.sleep(0.01)
        hidden.rename(folder)
        time.sleep(0.01)
    return _is_still_watched(victim)


def endless_number(victim: Victim) -> Finding:
    """Add a model.yaml with one number in base 60."""
    return _cheap(victim, "licence: 1" + ":1" * (YAML_BYTES // 2))


def endless_list(victim: Victim) -> Finding:
    """Add a model.yaml with one list."""
    return _cheap(victim, "licence: [" + "a," * (YAML_BYTES // 2) + "a]")


def endless_nesting(victim: Victim) -> Finding:
    """Add a model.yaml with sections inside sections."""
    return _cheap(victim, "{a: " * 16_000)


def expensive_config_within_limits(victim: Victim) -> Finding:
    """Add a model.yaml of 64 KB with as many keys as fit."""
    return _cheap(victim, "".join(f"{number}:\n" for number in range(9000)))


def pipe_as_config(victim: Victim) -> Finding:
    """Add a model.yaml that is a pipe to which nobody writes."""
    folder = victim.root / "pipe"
    folder.mkdir()
    os.mkfifo(folder / "model.yaml")
    time.sleep(2)
    return _is_still_watched(victim)


def sparse_weights(victim: Victim) -> Finding:
    """Add weights of a terabyte that take no place on the disk."""

    def write(folder: Path) -> None:
        with (folder / "model.onnx").open("wb") as weights:
            weights.truncate(1 << 40)

    return _cheap(victim, (victim.root / "identity" / "model.yaml").read_text(), write)


def _config_of(victim: Victim, name: str, config: str, more: Callable[[Path], None] = lambda _: None) -> None:
    made = victim.root / f".{name}"
    made.mkdir()
    (made / "model.yaml").write_text(config)
    more(made)
    made.rename(victim.root / name)


def _cheap(victim: Victim, config: str, more: Callable[[Path], None] = lambda _: None) -> Finding:
    before_s = victim.tree.cpu_s()
    _config_of(victim, "expensive", config, more)
    time.sleep(ARRIVING_S)
    used_s = victim.tree.cpu_s() - before_s
    finding = _is_still_watched(victim)
    return Finding(f"{used_s:.1f} s of CPU, {finding.figure}", used_s <= MOST_CPU_S and finding.is_held)


def _is_still_watched(victim: Victim) -> Finding:
    label = f"label-{time.monotonic_ns()}"
    (victim.root / "identity" / "labels.txt").write_text(f"{label}\nother\n")
    started_s = time.monotonic()
    while time.monotonic() < started_s + TAKEN_UP_S:
        if label.encode() in victim.ask("GET", "/models/identity").body:
            return Finding(f"a change is taken up after {time.monotonic() - started_s:.1f} s", is_held=True)
        time.sleep(ASK_AGAIN_S)
    return Finding("changes are taken up no more", is_held=False)
