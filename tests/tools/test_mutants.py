"""The rows of tests/mutants.toml fit the code that they break; scripts/mutants, run by hand, runs them."""

import re
from pathlib import Path

import pytest

from tests.support.client import ROOT
from tools.mutants import ROWS, BrokenMutantError, Mutant, choose_mutants, read_mutants

MUTANTS = read_mutants(ROWS)
ROW = Mutant(
    name="off", claim="It is off", file="part.py", old="on = True", new="on = False", tests=("tests/test_on.py",)
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_fits_its_file(mutant: Mutant) -> None:
    assert mutant.broken_text(ROOT)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_tests_of_a_mutant_exist(mutant: Mutant) -> None:
    for test in mutant.tests:
        path, _, name = test.partition("::")
        text = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(rf"^(async )?def {name.partition('[')[0] or 'test_'}", text, re.MULTILINE)


def test_mutants_are_sorted() -> None:
    names = [mutant.name for mutant in MUTANTS]
    assert names == sorted(names)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) for name in names)


def test_a_mutant_changes_one_place(tmp_path: Path) -> None:
    (tmp_path / "part.py").write_text("before = 1\non = True\n")
    assert ROW.broken_text(tmp_path) == "before = 1\non = False\n"


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        pytest.param("on = None\n", {}, id="not-there"),
        pytest.param("on = True\non = True\n", {}, id="there-twice"),
        pytest.param("on = True\n", {"new": "on = True"}, id="no-change"),
        pytest.param("on = True\n", {"new": "on ="}, id="no-python"),
        pytest.param("on = True\n", {"file": "parts.py"}, id="no-file"),
    ],
)
def test_a_mutant_that_does_not_fit_is_refused(text: str, changes: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "part.py").write_text(text)
    with pytest.raises(BrokenMutantError):
        ROW.model_copy(update=changes).broken_text(tmp_path)


@pytest.mark.parametrize(
    "row",
    [
        pytest.param("tests = []", id="no-tests"),
        pytest.param("", id="tests-not-named"),
        pytest.param("tests = ['a.py']\nlines = 1", id="unknown-key"),
        pytest.param("tests = ['a.py'", id="no-toml"),
        pytest.param("tests = ['a.py']\n[off]", id="named-twice"),
    ],
)
def test_a_malformed_row_is_refused(row: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.toml"
    path.write_text(f"[off]\nclaim = 'It is off'\nfile = 'part.py'\nold = 'True'\nnew = ''\n{row}\n")
    with pytest.raises(BrokenMutantError):
        read_mutants(path)


def test_mutants_are_chosen_by_the_beginning_of_their_names() -> None:
    rows = [ROW, ROW.model_copy(update={"name": "old"}), ROW.model_copy(update={"name": "on"})]
    assert choose_mutants(rows, []) == rows
    assert choose_mutants(rows, ["on", "of"]) == [rows[0], rows[2]]
    with pytest.raises(BrokenMutantError):
        choose_mutants(rows, ["o", "un"])
