"""The contract: openapi.yaml, loaded once, as it applies to the service at hand."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from handlers.server.access.credentials import Permission
from handlers.server.access.security import Security

SECURED = re.compile(r"(?P<before> +x-permission: (?P<permission>\w+)\n) +security: .*\n")
"""What says in each operation which credentials it asks for; a test sees to it that all are written like this."""
DEFAULT_KEY_HEADER = "X-API-Key"
KEY_NAME = re.compile(rf"(?<=      in: header\n      name: ){DEFAULT_KEY_HEADER}(?=\n)")

FORM = {"$ref": "#/components/requestBodies/Form"}

HTTP_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


@dataclass(frozen=True, slots=True)
class Contract:
    """The contract as it is served, and as connexion binds it."""

    as_yaml: bytes
    as_json: bytes
    document: dict[str, Any]

    @property
    def operations_with_body(self) -> dict[str, str]:
        """Return the operations that take a body, those that frames are posted to: path → operationId."""
        return {path: operation["operationId"] for path, operation in self._operations if "requestBody" in operation}

    @property
    def operations_with_form(self) -> frozenset[str]:
        """Return the operationIds of those to which frames are posted in forms."""
        return frozenset(
            operation["operationId"] for _, operation in self._operations if operation.get("requestBody") == FORM
        )

    @property
    def permissions(self) -> dict[str, Permission]:
        """Return what operations ask for: operationId → permission; the pages ask for nothing."""
        return {
            operation["operationId"]: operation["x-permission"]
            for _, operation in self._operations
            if "x-permission" in operation
        }

    @property
    def families(self) -> dict[str, str]:
        """Return the operations that use the first model of a family: operationId → family."""
        return {
            operation["operationId"]: operation["x-family"]
            for _, operation in self._operations
            if "x-family" in operation
        }

    @property
    def operations_on_default_model(self) -> dict[str, str]:
        """Return the operations that post a frame to the default model: path → operationId."""
        return {
            path: name
            for path, name in self.operations_with_body.items()
            if "{" not in path and name not in self.families
        }

    @property
    def _operations(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for path, operations in self.document["paths"].items():
            for method, operation in operations.items():
                if method in HTTP_METHODS:
                    yield path, operation


def read_contract(security: Security | None = None, api_key_header: str = DEFAULT_KEY_HEADER) -> Contract:
    """Read openapi.yaml, which lies in the installed package, or beside it in a checkout.

    With `security` it says which credentials are asked for here, and is otherwise the file, byte for byte: operations
    that are open have no `security`, the others no schemes in which no credential could come, and the header for tokens
    is the one that is set.
    """
    package = Path(__file__).parent.parent
    path = next(folder / "openapi.yaml" for folder in (package, package.parent) if (folder / "openapi.yaml").exists())
    as_yaml = path.read_bytes()
    if security:
        as_yaml = _as_secured(as_yaml.decode(), security, api_key_header).encode()
    document = yaml.safe_load(as_yaml)
    return Contract(as_yaml, json.dumps(document, ensure_ascii=False).encode(), document)


def _as_secured(text: str, security: Security, api_key_header: str) -> str:
    schemes = ", ".join(f"{{{scheme}: []}}" for scheme in security.recognition.schemes)

    def secured(match: re.Match[str]) -> str:
        if security.is_open(match["permission"]):
            return match["before"]
        return f"{match['before']}      security: [{schemes}]\n" if schemes else match[0]

    secured_text = SECURED.sub(secured, text)
    if api_key_header == DEFAULT_KEY_HEADER:
        return secured_text
    return KEY_NAME.sub(f"'{api_key_header}'", secured_text)
