"""What the command is called with, and the files that it then takes."""

from pathlib import Path

import pytest

from handlers.errors import ConfigurationError
from handlers.server.commands.inferring.sources import VIDEOS, Source, find_files
from tests.support.client import ROOT

TREE = [
    "b.jpg", "a.PNG", "c.mp4", "notes.txt", ".hidden.jpg", "name[1].jpg",
    "sub/d.jpeg", "sub/deep/e.avi", "sub/deep/.f.bmp", ".secret/g.jpg",
]  # fmt: skip


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in TREE:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "sub" / "loop").symlink_to(tmp_path)
    (tmp_path / "sub" / "loop2").symlink_to(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("", ["a.PNG", "b.jpg", "c.mp4", "name[1].jpg"]),
        ("sub", ["sub/d.jpeg"]),
        ("*.jpg", ["b.jpg", "name[1].jpg"]),
        ("*", ["a.PNG", "b.jpg", "c.mp4", "name[1].jpg"]),
        ("[ab].*", ["a.PNG", "b.jpg"]),
        ("*/*.jpeg", ["sub/d.jpeg"]),
        ("**/*.avi", ["sub/deep/e.avi"]),
        ("**", ["a.PNG", "b.jpg", "c.mp4", "name[1].jpg", "sub/d.jpeg", "sub/deep/e.avi"]),
        ("sub/**/*", ["sub/d.jpeg", "sub/deep/e.avi"]),
        ("sub/../*.mp4", ["sub/../c.mp4"]),
        ("s*/../*.mp4", ["sub/../c.mp4"]),
        ("name[1].jpg", ["name[1].jpg"]),
        ("notes.txt", ["notes.txt"]),
        (".hidden.jpg", [".hidden.jpg"]),
        ("missing.jpg", ["missing.jpg"]),
    ],
)
def test_files_folders_and_patterns(tree: Path, argument: str, expected: list[str]) -> None:
    assert [source.path for source in find_files([tree / argument])] == [tree / name for name in expected]


def test_arguments_keep_their_order_and_patterns_may_be_relative(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree)
    found = find_files([Path("c.mp4"), Path("sub"), Path("*.jpg"), Path("c.mp4")])
    assert [str(source) for source in found] == ["c.mp4", "sub/d.jpeg", "b.jpg", "name[1].jpg", "c.mp4"]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("sub/deep/empty", "is a folder without pictures and videos"),
        ("*.gif", "matches no picture and no video"),
        ("*.txt", "matches no picture and no video"),
        ("missing/*.jpg", "matches no picture and no video"),
    ],
)
def test_a_folder_or_pattern_without_files_is_named(tree: Path, argument: str, message: str) -> None:
    (tree / "sub" / "deep" / "empty").mkdir()
    with pytest.raises(ConfigurationError) as caught:
        find_files([tree / "b.jpg", tree / argument])
    assert f"{tree / argument} {message} (.avi .bmp" in str(caught.value)


def test_names_that_are_no_text_can_be_printed() -> None:
    assert str(Source(Path("caf\udce9.jpg"))) == "caf\ufffd.jpg"


def test_the_document_lists_the_names_of_videos() -> None:
    text = (ROOT / "docs" / "files.md").read_text(encoding="utf-8")
    listed = ", ".join(sorted(VIDEOS - {".webm"}))
    assert f"{listed} or .webm" in text.replace("\n", " ")
