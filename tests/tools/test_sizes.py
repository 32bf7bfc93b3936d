"""The sizes that keep the packages readable: of folders, modules, classes and functions."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import ROOT

MAX_MODULES, MAX_LINES, MAX_PUBLIC_METHODS, MAX_FUNCTION_LINES = 12, 300, 10, 60
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef
PACKAGES = ("handlers", "models", "scene", "player", "conformance")
MODULES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def definitions(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text(encoding="utf-8")))


def test_folders_hold_few_modules() -> None:
    """A family is a file, so their folder may hold many."""
    counts = Counter(path.parent for path in MODULES if path.name != "__init__.py")
    assert {folder for folder, count in counts.items() if count > MAX_MODULES} == {ROOT / "models" / "families"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_classes_and_functions_are_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES
    for definition in definitions(path):
        if isinstance(definition, ast.ClassDef):
            methods = [
                method for method in definition.body if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef)
            ]
            assert sum(not method.name.startswith("_") for method in methods) <= MAX_PUBLIC_METHODS, definition.name
        if isinstance(definition, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (definition.end_lineno or 0) - definition.lineno < MAX_FUNCTION_LINES, definition.name
