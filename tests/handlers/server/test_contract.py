"""The served contract: what it says about credentials, as YAML and as JSON."""

import json
import re
from typing import Any

import pytest
import yaml

from handlers.server.access.credentials import with_token
from handlers.server.access.recognition import Recognition
from handlers.server.access.security import Security
from handlers.server.contract import read_contract
from tests.support.client import CONTRACT, ROOT

CALLERS = (with_token("gate", "token-of-the-gate"),)


def secured(credentials: Any = CALLERS, anonymous_may: Any = (), header: str = "X-API-Key") -> Any:
    """Return the contract of a service with these credentials."""
    security = Security(Recognition(credentials, header, digest_md5=False), anonymous_may, "any")
    return read_contract(security, header)


def test_without_security_it_is_the_file() -> None:
    contract = read_contract()
    assert contract.as_yaml == (ROOT / "openapi.yaml").read_bytes()
    assert contract.document == CONTRACT


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"credentials": ()}, id="open"),
        pytest.param({}, id="closed"),
        pytest.param({"anonymous_may": ("monitor",)}, id="half open"),
        pytest.param({"header": "no"}, id="a header that YAML reads as false"),
    ],
)
def test_yaml_and_json_say_the_same(settings: dict[str, Any]) -> None:
    contract = secured(**settings)
    assert yaml.safe_load(contract.as_yaml) == json.loads(contract.as_json) == contract.document
    changed = {"security", "name"}
    assert list(contract.document) == list(CONTRACT)
    assert without(contract.document, changed) == without(CONTRACT, changed)


@pytest.mark.parametrize("settings", [{}, {"credentials": ()}], ids=["closed", "open"])
def test_it_refers_to_nothing_outside_itself(settings: dict[str, Any]) -> None:
    """Tools read the served contract, beside which there are no files."""
    served = secured(**settings).as_json.decode()
    assert set(re.findall(r'"\$ref": "([^"/]*)', served)) == {"#"}
    assert "externalValue" not in served


def without(node: Any, names: set[str]) -> Any:
    """Return a document without the members of these names."""
    if isinstance(node, dict):
        return {name: without(value, names) for name, value in node.items() if name not in names}
    return [without(each, names) for each in node] if isinstance(node, list) else node


def test_people_can_read_the_yaml_that_was_changed() -> None:
    text = secured(credentials=()).as_yaml.decode()
    assert "\n  description: |\n    Post one video frame" in text
    assert "&id" not in text


@pytest.mark.parametrize(
    ("settings", "open_permissions", "schemes"),
    [
        pytest.param(
            {"credentials": ()},
            {"infer", "read", "view", "monitor"},
            ["digest", "basic", "bearer", "apiKey"],
            id="no credentials",
        ),
        pytest.param({}, set(), ["bearer", "apiKey"], id="closed"),
        pytest.param({"anonymous_may": ("monitor",)}, {"monitor"}, ["bearer", "apiKey"], id="half open"),
    ],
)
def test_an_operation_names_the_schemes_in_which_a_credential_can_come(
    settings: dict[str, Any], open_permissions: set[str], schemes: list[str]
) -> None:
    expected: list[dict[str, list[str]]] = [{scheme: []} for scheme in schemes]
    paths = secured(**settings).document["paths"]
    for operation in [operation for operations in paths.values() for operation in operations.values()]:
        is_open = operation.get("x-permission") in open_permissions
        is_page = "x-permission" not in operation
        assert operation.get("security") == ([] if is_page else None if is_open else expected)


def test_the_header_for_tokens_is_named() -> None:
    scheme = secured(header="X-Camera-Key").document["components"]["securitySchemes"]["apiKey"]
    assert scheme["name"] == "X-Camera-Key"
