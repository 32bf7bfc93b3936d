"""The watcher: it reloads what has changed and rests, and survives whatever it finds."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from handlers.server.watching import Watcher
from models.errors import ModelNotFoundError
from models.runtime.reload import Reload, Reloader

TICK_S = 0.02
"""Longer than a tick of the clock by which most kernels give files their times: 4 or 10 ms."""


class FakeReloader:
    """Notes what is reloaded; fails for some names."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def reload(self, name: str) -> Reload:
        self.names.append(name)
        if name == "failing":
            raise RuntimeError("a fault of our own")
        if name == "no-model":
            raise ModelNotFoundError("No such model.")
        return Reload(name, "unchanged")

    def taken(self) -> list[str]:
        names, self.names = self.names, []
        return names


def watcher_of(*roots: Path) -> tuple[Watcher, FakeReloader]:
    reloader = FakeReloader()
    return Watcher(roots, cast("Reloader", reloader)), reloader


def add(root: Path, name: str) -> Path:
    folder = root / name
    folder.mkdir()
    (folder / "model.yaml").write_text("x")
    return folder


def test_what_has_changed_is_reloaded_once_when_it_rests(tmp_path: Path) -> None:
    watcher, reloader = watcher_of(tmp_path)
    folder = add(tmp_path, "one")
    watcher.look()
    assert reloader.taken() == [], "it may still be written"
    for number in range(3):
        (folder / "model.onnx").write_text("x" * number)
        watcher.look()
        assert reloader.taken() == []
    watcher.look()
    assert reloader.taken() == ["one"]
    watcher.look()
    assert reloader.taken() == []


def rewrite(folder: Path) -> None:
    """Write other bytes, as many as before, and keep the time."""
    config = folder / "model.yaml"
    times = config.stat()
    config.write_text("y")
    os.utime(config, ns=(times.st_atime_ns, times.st_mtime_ns))


def replace(folder: Path) -> None:
    (folder / "new").write_text("x")
    (folder / "new").replace(folder / "model.yaml")


def make_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.touch()


def make_loop(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.symlink_to(folder)


CHANGES: dict[str, Callable[[Path], object]] = {
    "rewritten with the same size and time": rewrite,
    "replaced": replace,
    "removed": shutil.rmtree,
    "renamed": lambda folder: folder.rename(folder.with_name(".hidden")),
    "a file now": make_file,
    "a link to itself now": make_loop,
    "a link to itself in it": lambda folder: (folder / "loop").symlink_to("loop"),
    "a pipe in it": lambda folder: os.mkfifo(folder / "pipe"),
    "not UTF-8 in it": lambda folder: (folder / os.fsdecode(b"\xff")).touch(),
    "other permissions": lambda folder: (folder / "model.yaml").chmod(0o600),
}


@pytest.mark.parametrize("name", list(CHANGES))
def test_every_change_is_noticed(tmp_path: Path, name: str) -> None:
    watcher, reloader = watcher_of(tmp_path)
    folder = add(tmp_path, "one")
    for _ in range(2):
        watcher.look()
    assert reloader.taken() == ["one"]
    time.sleep(TICK_S)
    CHANGES[name](folder)
    for _ in range(3):
        watcher.look()
    assert reloader.taken() == ["one"]


def test_it_goes_on_after_faults_and_says_them_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = tmp_path / "models"
    root.mkdir()
    watcher, reloader = watcher_of(root)
    for name in ("failing", "no-model", "other", os.fsdecode(b"\xff"), "line\nbreak"):
        add(root, name)
    for _ in range(4):
        watcher.look()
    assert reloader.taken() == ["failing", "no-model", "other"]
    assert caplog.messages.count("folders skipped") == 1
    assert caplog.messages.count("models are not watched") == 1
    caplog.clear()
    root.rename(tmp_path / "away")
    for _ in range(4):
        watcher.look()
    assert reloader.taken() == [], "an absent repository does not mean that all models are gone"
    assert caplog.messages == ["repository not watched"]
    (tmp_path / "away").rename(root)
    (root / "other" / "model.yaml").write_text("changed")
    for _ in range(2):
        watcher.look()
    assert reloader.taken() == ["other"]


def test_a_repository_that_is_away_is_named_and_the_others_are_watched(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for root in (here, there):
        root.mkdir()
        add(root, root.name)
    add(there, "here")
    watcher, reloader = watcher_of(here, there)
    for _ in range(2):
        watcher.look()
    assert reloader.taken() == ["here", "there"]
    there.rename(tmp_path / "away")
    (here / "here" / "model.yaml").write_text("changed")
    for _ in range(3):
        watcher.look()
    assert reloader.taken() == ["here"]
    [warning] = caplog.records
    assert (warning.getMessage(), warning.levelname) == ("repository not watched", "WARNING")
    reason = warning.facts["reason"]  # type: ignore[attr-defined]
    assert reason == f"{there} cannot be read: No such file or directory."
    (tmp_path / "away").rename(there)
    (there / "there" / "model.yaml").write_text("changed")
    for _ in range(3):
        watcher.look()
    assert reloader.taken() == ["there"]


def test_a_chained_model_that_changes_or_comes_is_a_change_of_those_that_need_it(tmp_path: Path) -> None:
    watcher, reloader = watcher_of(tmp_path)
    (add(tmp_path, "parent") / "model.yaml").write_text("then: [{model: reader}]")

    def reloaded() -> list[str]:
        for _ in range(3):
            watcher.look()
        return reloader.taken()

    assert reloaded() == ["parent"]
    assert reloaded() == []
    (tmp_path / "empty").mkdir()
    assert reloaded() == ["empty"]
    reader = add(tmp_path, "reader")
    assert reloaded() == ["parent", "reader"]
    (reader / "labels.txt").write_text("x")
    assert reloaded() == ["parent", "reader"]
    shutil.rmtree(reader)
    assert reloaded() == ["parent", "reader"]
    (tmp_path / "parent" / "model.yaml").write_text("then: []")
    assert reloaded() == ["parent"]
    add(tmp_path, "reader")
    assert reloaded() == ["reader"]
