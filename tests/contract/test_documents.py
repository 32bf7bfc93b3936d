"""Links in documents, and paths named in documents and code, lead to something; their commands are understood."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from handlers.server.commands.cli import create_parser
from tests.support.client import ROOT

DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    ROOT / "tests" / "data" / "README.md",
    *sorted((ROOT / "deploy").rglob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
    *sorted((ROOT / "models").rglob("*.md")),
]
FOLDERS = "bench|conformance|deploy|docs|examples|handlers|models|requirements|scene|scripts|tests|tools"


def anchor(title: str) -> str:
    """Return what a link to a heading is called, as renderers of Markdown do it."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", document.read_text(encoding="utf-8")):
        path, _, heading = target.partition("#")
        file = (document.parent / path).resolve() if path else document
        assert file.exists(), target
        if heading:
            headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in {anchor(title) for title in headings}, target


@pytest.mark.parametrize(
    ("index", "listed"),
    [("README.md", "docs/*.md"), ("examples/README.md", "examples/*"), ("examples/README.md", "examples/camera/*")],
)
def test_an_index_lists_all(index: str, listed: str) -> None:
    folder = (ROOT / index).parent
    linked = {folder / target for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / index).read_text(encoding="utf-8"))}
    there = {path for path in ROOT.glob(listed) if path.is_file() and path.name != "README.md"}
    assert there
    assert there - linked == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_that_are_named_exist(document: Path) -> None:
    named = re.findall(rf"(?<![\w/.-])(?:{FOLDERS})/[\w/.-]+\.\w+", document.read_text(encoding="utf-8"))
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_documents_that_code_names_exist() -> None:
    command = ["git", "grep", "--untracked", "-IhoE", r"\bdocs/[A-Za-z0-9_/.-]+\.(md|jpg|svg)"]
    named = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert "docs/configuration.md" in named
    assert [path for path in named if not (ROOT / path).exists()] == []


def commands(document: Path) -> list[list[str]]:
    """Return the calls of framehook in the shell blocks of a document, without their first word."""
    blocks = re.findall(r"```sh\n(.*?)```", document.read_text(encoding="utf-8"), re.DOTALL)
    lines = [shlex.split(line, comments=True) for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [words[1:] for words in lines if words and Path(words[0]).name == "framehook"]


@pytest.mark.parametrize("document", [path for path in DOCUMENTS if commands(path)], ids=lambda path: path.name)
def test_commands_are_understood(document: Path) -> None:
    for command in commands(document):
        assert create_parser().parse_args(command)
