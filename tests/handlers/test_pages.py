"""The modules of the pages: their sizes, what they import, and the elements that they name."""

import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from lab import ROOT

PAGES = ROOT / "handlers" / "pages"
SCRIPTS = {path.name: path.read_text(encoding="utf-8") for path in sorted((PAGES / "files").glob("*.js"))}
MAX_LINES, MAX_LENGTH = 200, 120


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_is_short(script: str) -> None:
    lines = SCRIPTS[script].splitlines()
    assert len(lines) < MAX_LINES
    assert max(map(len, lines)) <= MAX_LENGTH


def test_scripts_import_each_other_in_one_direction() -> None:
    """Types, too. Each is part of a page."""
    imports = {name: re.findall(r"""["(]\./([\w.]+\.js)["]""", text) for name, text in SCRIPTS.items()}
    assert [*TopologicalSorter(imports).static_order()]  # raises CycleError
    starts = {name for page in PAGES.glob("*.html") for name in re.findall(r'console/(\w+\.js)"', page.read_text())}
    assert set(SCRIPTS) - {name for names in imports.values() for name in names} == starts == {"app.js", "stream.js"}


@pytest.mark.parametrize("page", ["console.html", "stream.html"])
def test_ids_are_unique(page: str) -> None:
    ids = ids_of(PAGES / page)
    assert len(ids) == len(set(ids))


def test_scripts_name_elements_that_are_there() -> None:
    named = {id_ for text in SCRIPTS.values() for id_ in re.findall(r"""(?:\$|\bbyId)\("([\w-]+)\"""", text)}
    assert len(named) > 40
    assert named <= {id_ for page in PAGES.glob("*.html") for id_ in ids_of(page)}


def test_every_rule_of_the_style_sheet_is_for_something() -> None:
    """A class or an id without a number at its end: those of lines in charts are made."""
    selectors = re.sub(r"\{[^{}]*\}", "{}", (PAGES / "files" / "console.css").read_text(encoding="utf-8"))
    styled = set(re.findall(r"[.#]([a-z][\w-]*[a-z])\b", selectors))
    written = " ".join([*SCRIPTS.values(), *(page.read_text(encoding="utf-8") for page in PAGES.glob("*.html"))])
    assert {name for name in styled if not re.search(rf"[\"' `]{name}[\"' `$]", written)} == set()


def ids_of(page: Path) -> list[str]:
    return re.findall(r'\bid="([\w-]+)"', page.read_text(encoding="utf-8"))
