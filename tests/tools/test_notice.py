"""NOTICE is complete and true: it names every work of others in this repository, with origin and licence."""

import hashlib
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.client import ROOT
from tools.notice import Notice, read_notices

NOTICES = {notice.path: notice for notice in read_notices()}
PHOTOS = ROOT / "tests" / "data" / "README.md"
WRITTEN_HERE = {
    "", ".cfg", ".conf", ".css", ".html", ".ipynb", ".js", ".json", ".md", ".mjs", ".mts", ".patch", ".py", ".rb",
    ".service", ".sh", ".toml", ".tpl", ".yaml", ".yml",
}  # fmt: skip
"""Suffixes of code, settings, documents and figures."""

PRODUCT = {"conformance", "handlers", "models", "player", "scene"}


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return listed.stdout.split("\0")[:-1]


def works() -> list[str]:
    """Return the tracked files that may be works of others: weights, labels, fonts, pictures."""
    return [path for path in tracked() if Path(path).suffix not in WRITTEN_HERE and not path.startswith("requirements/")
            and not Path(path).name.startswith(".") and Path(path).name != "NOTES.txt"]  # fmt: skip


def photos() -> dict[str, str]:
    """Return the licence of each photo in the table of tests/data/README.md."""
    rows = re.findall(r"^\| ([\w., -]+\.jpg) \|.*\| ([^|]+) \|$", PHOTOS.read_text(encoding="utf-8"), re.MULTILINE)
    return {f"tests/data/{name}": licence for names, licence in rows for name in names.split(", ")}


@pytest.mark.parametrize("path", works())
def test_every_weight_label_font_and_picture_has_a_licence(path: str) -> None:
    assert path in NOTICES or photos()[path]


def test_no_file_is_binary_unnoticed() -> None:
    """Suffixes may lie: every file that git treats as binary is among the works."""
    command = ["git", "grep", "--cached", "-I", "--files-with-matches", "-e", ""]
    text = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    binary = {
        path for path in set(tracked()) - set(text) if (ROOT / path).lstat().st_size and not (ROOT / path).is_symlink()
    }
    assert "examples/street.jpg" in binary
    assert binary <= set(works())


@pytest.mark.parametrize("notice", [notice for notice in NOTICES.values() if notice.sha256], ids=lambda n: n.path)
def test_the_checksum_is_the_files(notice: Notice) -> None:
    assert hashlib.sha256((ROOT / notice.path).read_bytes()).hexdigest() == notice.sha256


@pytest.mark.parametrize("path", [path for path in works() if path.split("/")[0] in PRODUCT])
def test_whatever_is_part_of_the_product_has_a_checksum(path: str) -> None:
    assert NOTICES[path].sha256


@pytest.mark.parametrize(
    ("notice", "message"),
    [
        ("models/a.onnx\n    Weights.\n", "no licence for models/a.onnx"),
        ("models/b.onnx\n    Weights.\n    Licence: MIT\n", "models/b.onnx, which is not there"),
    ],
    ids=["no licence", "no file"],
)
def test_a_section_that_says_too_little_is_refused(notice: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "a.onnx").touch()
    (tmp_path / "NOTICE").write_text(notice)
    with pytest.raises(ValueError, match=message):
        read_notices(tmp_path)
