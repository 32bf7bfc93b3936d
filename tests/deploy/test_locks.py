"""Installed packages match the locks: one version, known hashes, whichever package index the machine uses."""

import re
from pathlib import Path

import pytest

from tests.support.client import ROOT
from tools.sbom import read_lock

LOCKS = sorted((ROOT / "requirements").iterdir())
INSTALLERS = [ROOT / "Dockerfile", ROOT / ".ci" / "run", *sorted((ROOT / "scripts").iterdir())]
GETS = re.compile(r"\bpip\b.* (?:install|download|wheel)\b|^\s*install ")
"""A command that gets packages; `install` is the function of scripts/setup."""
LOCAL = re.compile(r"--no-deps .*(?:--editable \.|dist/\*\.whl|--wheel-dir dist \.)$")
"""The service itself, without its dependencies."""


def commands(path: Path) -> list[str]:
    """Return the commands of a script that get packages."""
    text = re.sub(r"\\\n\s*", "", path.read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    found = [part.strip() for line in lines for part in re.split(r"&&|\|\||; ", line) if GETS.search(part)]
    return [command for command in found if not command.endswith('"$@"')]


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_line_of_a_lock_is_pinned_with_hashes_and_names_no_index(path: Path) -> None:
    assert read_lock(path)
    assert not re.search(r"://|^-", path.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("path", INSTALLERS, ids=lambda path: path.name)
def test_nothing_is_installed_without_hashes(path: Path) -> None:
    for command in commands(path):
        assert "--require-hashes" in command or LOCAL.search(command), command


def test_the_commands_are_found() -> None:
    """Otherwise a pattern that finds nothing would pass."""
    found = {path.name: len(commands(path)) for path in INSTALLERS}
    assert {name: number for name, number in found.items() if number} == {
        "Dockerfile": 4,
        "run": 9,
        "bench": 1,
        "setup": 2,
    }


def test_every_lock_is_made_by_the_script() -> None:
    text = (ROOT / "scripts" / "lock").read_text(encoding="utf-8")
    assert set(re.findall(r"--output-file (\S+)", text)) == {path.relative_to(ROOT).as_posix() for path in LOCKS}
