"""What is released says one version everywhere, and its pages lead somewhere."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from handlers.server.settings import Settings
from handlers.server.settings_sources import ENVIRONMENT_PREFIX
from tests.support.client import CONTRACT, ROOT
from tools.package_metadata import project_urls, readme_text

VERSION = CONTRACT["info"]["version"]
HOME = "https://example.org/framehook"
README = (ROOT / "README.md").read_text(encoding="utf-8")
SCRIPT = ROOT / "scripts" / "release"
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("pyproject.toml", r'^version = "(.+)"$'),
        ("player/openapi.yaml", r"^  version: (.+)$"),
        ("Dockerfile", r'image\.version="(.+)"'),
        ("deploy/iotedge/deployment.json", r'"image": "framehook:(.+)"'),
        ("docs/deploying.md", r"framehook:([\d.]+)`"),
        ("docs/deploying.md", r"REGISTRY/framehook:([\d.]+) "),
        ("docs/getting-started.md", r"framehook-([\d.]+)-py3"),
        ("docs/upgrading.md", r"framehook-([\d.]+)-py3"),
    ],
)
def test_the_version_is_that_of_the_contract(path: str, pattern: str) -> None:
    assert re.findall(pattern, (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE) == [VERSION]


def test_the_changelog_begins_with_this_version() -> None:
    titles = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert re.fullmatch(rf"{re.escape(VERSION)} \((unreleased|\d{{4}}-\d\d-\d\d)\)", titles[0])


def test_links_of_a_package_lead_to_files_of_its_tag() -> None:
    targets = re.findall(r"\]\(([^)]+)\)", readme_text(README, HOME, "v1.2.3"))
    assert len(targets) > 20
    for target in [*targets, *project_urls(HOME, "v1.2.3").values()]:
        inside = re.fullmatch(rf"{HOME}/(?:blob|raw)/v1\.2\.3/([^#]+)(?:#.*)?", target)
        assert (ROOT / inside[1]).is_file() if inside else target.startswith("https://"), target


def test_pictures_of_a_package_are_files_not_pages() -> None:
    assert f"]({HOME}/raw/v1.2.3/docs/console.jpg)" in readme_text(README, HOME, "v1.2.3")


def test_a_package_without_a_home_names_none() -> None:
    assert (readme_text(README, "", "v1.2.3"), project_urls("", "v1.2.3")) == (README, {})


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.name)
def test_the_forms_for_issues_are_complete(form: Path) -> None:
    """As GitHub demands it: a form that lacks something is not offered."""
    document = yaml.safe_load(form.read_text(encoding="utf-8"))
    if "blank_issues_enabled" in document:
        return
    fields = [field for field in document["body"] if field["type"] != "markdown"]
    assert document.keys() >= {"name", "description", "body"}
    assert {field["type"] for field in fields} <= {"textarea", "input", "dropdown", "checkboxes"}
    assert len({field["id"] for field in fields}) == len(fields) > 0
    assert all(field["attributes"]["label"] for field in fields), json.dumps(fields)


def test_the_table_of_extras_is_complete() -> None:
    text = (ROOT / "docs" / "getting-started.md").read_text(encoding="utf-8")
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert re.findall(r"^\| `(\w+)` \| .+\.md", text, re.MULTILINE) == sorted(extras)


def release(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SCRIPT, *arguments], cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "arguments",
    [(), ("",), ("https://",), ("http://a.example/b",), (HOME, "more"), ("--packages", HOME), ("--packages", "a", "b")],
    ids=str,
)
def test_wrong_arguments_get_the_usage(arguments: tuple[str, ...], tmp_path: Path) -> None:
    refused = release(*arguments, folder=tmp_path)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith("Makes what a release consists of")


def test_packages_replace_no_folder_that_holds_something(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    refused = release("--packages", "mine", HOME, folder=tmp_path)
    assert (refused.returncode, refused.stderr) == (1, f"scripts/release: {tmp_path / 'mine'} is not empty.\n")
    assert (tmp_path / "mine" / "thesis.txt").exists()


def test_a_release_sets_no_variable_that_a_service_refuses() -> None:
    """It runs the tests, whose services do not start with a FRAMEHOOK_ that is no setting."""
    texts = SCRIPT.read_text() + (ROOT / "tools" / "package_metadata.py").read_text()
    named = {name.lower() for name in re.findall(rf"{ENVIRONMENT_PREFIX}(\w+)", texts)}
    assert named <= Settings.model_fields.keys()
