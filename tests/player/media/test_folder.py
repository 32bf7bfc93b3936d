"""A folder of clips keeps within its limit, and touches nothing but clips."""

import os
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from player.errors import ClipError
from player.media.folder import Folder

PATTERN = r"door-\d+\.mp4"


def clip(folder: Path, name: str, size_bytes: int, age_s: int) -> Path:
    path = folder / name
    path.write_bytes(bytes(size_bytes))
    os.utime(path, (1_800_000_000 - age_s,) * 2)
    return path


def names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def test_the_oldest_clips_are_removed(tmp_path: Path) -> None:
    oldest, old = clip(tmp_path, "door-3.mp4", 400, 30), clip(tmp_path, "door-1.mp4", 400, 20)
    clip(tmp_path, "door-2.mp4", 400, 10)
    assert Folder(tmp_path, PATTERN, 1200).make_room() == ()
    assert Folder(tmp_path, PATTERN, 500).make_room() == (oldest, old)
    assert names(tmp_path) == {"door-2.mp4"}


def test_the_newest_clip_stays(tmp_path: Path) -> None:
    clip(tmp_path, "door-1.mp4", 400, 0)
    assert Folder(tmp_path, PATTERN, 10).make_room() == ()


def test_without_a_limit_nothing_is_removed(tmp_path: Path) -> None:
    clip(tmp_path, "door-1.mp4", 400, 5)
    clip(tmp_path, "door-2.mp4", 400, 0)
    assert Folder(tmp_path, PATTERN).make_room() == ()


def test_nothing_but_clips_is_touched(tmp_path: Path) -> None:
    outside = clip(tmp_path, "outside", 400, 50)
    folder = tmp_path / "clips"
    folder.mkdir()
    clip(folder, "window-1.mp4", 400, 40)
    clip(folder, "door-1.mp4.bak", 400, 40)
    clip(folder, "other.part", 400, 40)
    (folder / "door-7.mp4").symlink_to(outside)
    (folder / "door-8.mp4.part").symlink_to(outside)
    (folder / "door-9.mp4").mkdir()
    before = names(folder)
    clip(folder, "door-1.mp4", 400, 30)
    clip(folder, "door-2.mp4", 400, 20)
    watched = Folder(folder, PATTERN, 10)
    assert watched.prepare() == ()
    assert [path.name for path in watched.make_room()] == ["door-1.mp4"]
    assert names(folder) == before | {"door-2.mp4"}
    assert outside.read_bytes() == bytes(400)


def test_clips_are_kept_for_a_time_and_take_their_notes_along(tmp_path: Path) -> None:
    kept = [tmp_path / f"door-{number}.mp4" for number in (1, 2, 3)]
    for clip, age_s in zip(kept, (300, 100, 50), strict=True):
        clip.write_bytes(b"x")
        clip.with_suffix(".jsonl").write_text("{}")
        os.utime(clip, (time.time() - age_s,) * 2)
    assert Folder(tmp_path, PATTERN, keep_s=200).make_room() == (kept[0],)
    assert not kept[0].with_suffix(".jsonl").exists()
    assert kept[1].with_suffix(".jsonl").exists()


def test_unfinished_clips_count_and_are_not_removed_to_make_room(tmp_path: Path) -> None:
    clip(tmp_path, "door-1.mp4", 100, 30)
    clip(tmp_path, "door-2.mp4", 100, 20)
    clip(tmp_path, "door-3.mp4.part", 400, 40)
    Folder(tmp_path, PATTERN, 520).make_room()
    assert names(tmp_path) == {"door-2.mp4", "door-3.mp4.part"}


def test_what_cannot_be_played_is_removed_at_the_start(tmp_path: Path) -> None:
    clip(tmp_path, "door-1.mp4.part", 400, 0)
    clip(tmp_path, "door-2.mp4.part", 0, 0)
    assert Folder(tmp_path, PATTERN).prepare() == ()
    assert names(tmp_path) == set()


def test_the_folder_is_made(tmp_path: Path) -> None:
    Folder(tmp_path / "a/b", PATTERN).prepare()
    assert (tmp_path / "a/b").is_dir()


def test_the_folder_is_made_again_but_none_above_it(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    Folder(tmp_path / "clips" / "yard", PATTERN).make_room()
    Folder(tmp_path / "away" / "yard", PATTERN).make_room()
    assert names(tmp_path) == {"clips"}
    assert names(tmp_path / "clips") == {"yard"}


def test_others_may_remove_clips_at_the_same_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = clip(tmp_path, "door-1.mp4", 400, 30)
    old = clip(tmp_path, "door-2.mp4", 400, 20)
    clip(tmp_path, "door-3.mp4", 400, 10)
    scan = os.scandir

    def late(path: Path) -> AbstractContextManager[list[os.DirEntry[str]]]:
        with scan(path) as found:
            entries = [*found]
        gone.unlink()
        return nullcontext(entries)

    monkeypatch.setattr(os, "scandir", late)
    assert Folder(tmp_path, PATTERN, 500).make_room() == (old,)


def test_a_folder_that_cannot_be_used_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("")
    with pytest.raises(ClipError, match="cannot be used"):
        Folder(path, PATTERN).prepare()
    with pytest.raises(ClipError, match="cannot be removed"):
        Folder(path, PATTERN, 5).make_room()
