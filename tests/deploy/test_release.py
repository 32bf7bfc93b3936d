"""What is released says one version everywhere, and its pages lead somewhere."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.support.client import CONTRACT, ROOT
from tools.package_metadata import project_urls, readme_text

VERSION = CONTRACT["info"]["version"]
HOME = "https://example.org/framehook"
README = (ROOT / "README.md").read_text(encoding="utf-8")
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
