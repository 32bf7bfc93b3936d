"""The contract: openapi.yaml, loaded once, as it applies to this service."""

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from handlers.server.access.credentials import Permission
from handlers.server.access.security import Security

DEFAULT_KEY_HEADER = "X-API-Key"

FRAME = {"$ref": "#/components/requestBodies/Frame"}
FORM = {"$ref": "#/components/requestBodies/Form"}

HTTP_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


@dataclass(frozen=True, slots=True)
class Contract:
    """The contract as it is served, and as connexion binds it."""

    as_yaml: bytes
    as_json: bytes
    document: dict[str, Any]

    @property
    def operations_with_frame(self) -> dict[str, str]:
        """Return the operations whose body is or holds a frame: path → operationId."""
        return {
            path: operation["operationId"]
            for path, operation in _operations(self.document)
            if operation.get("requestBody") in (FRAME, FORM)
        }

    @property
    def frame_operations(self) -> frozenset[str]:
        """Return the operationIds of those whose body is or holds a frame."""
        return frozenset(self.operations_with_frame.values())

    @property
    def media_types(self) -> dict[str, frozenset[str]]:
        """Return the media types that are listed for the bodies of operations: operationId → media types."""
        shared = self.document["components"]["requestBodies"]
        return {
            operation["operationId"]: frozenset(shared[operation["requestBody"]["$ref"].rpartition("/")[2]]["content"])
            for _, operation in _operations(self.document)
            if "requestBody" in operation
        }

    @property
    def operations_with_form(self) -> frozenset[str]:
        """Return the operationIds of the operations that take a frame in a form."""
        return frozenset(
            operation["operationId"]
            for _, operation in _operations(self.document)
            if operation.get("requestBody") == FORM
        )

    @property
    def permissions(self) -> dict[str, Permission]:
        """Return the permission of each operation: operationId → permission. What needs none is left out."""
        return {
            operation["operationId"]: operation["x-permission"]
            for _, operation in _operations(self.document)
            if "x-permission" in operation
        }

    @property
    def routes(self) -> dict[str, str]:
        """Return the path of each operation: operationId → path."""
        return {operation["operationId"]: path for path, operation in _operations(self.document)}

    @property
    def query_names(self) -> dict[str, frozenset[str]]:
        """Return the names of the query parameters of each operation: operationId → names."""
        shared = self.document["components"]["parameters"]
        return {
            operation["operationId"]: frozenset(
                parameter["name"]
                for written in operation.get("parameters", ())
                if (parameter := shared[written["$ref"].rpartition("/")[2]])["in"] == "query"
            )
            for _, operation in _operations(self.document)
        }

    @property
    def kinds_of_model(self) -> dict[str, dict[str, str]]:
        """Return the operations that use the first model of a kind instead of the default one: operationId → kind.

        A kind is a `family`, the only `label` that a model has, or `then`, the type of results of a chained model.
        """
        return {
            operation["operationId"]: operation["x-model"]
            for _, operation in _operations(self.document)
            if "x-model" in operation
        }

    @property
    def operations_on_default_model(self) -> dict[str, str]:
        """Return the operations that post a frame to the default model: path → operationId."""
        return {
            path: name
            for path, name in self.operations_with_frame.items()
            if "{" not in path and name not in self.kinds_of_model
        }


def read_contract(security: Security | None = None, api_key_header: str = DEFAULT_KEY_HEADER) -> Contract:
    """Read openapi.yaml from the installed package, or from the checkout around it.

    With `security` the contract says which credentials this service asks for: an operation that is open has no
    `security`, the others list only the schemes in which a credential can be sent, and `api_key_header` is the header
    for tokens. If none of this changes anything, the bytes are those of the file; else they are written anew.
    """
    package = Path(__file__).parent.parent
    path = next(folder / "openapi.yaml" for folder in (package, package.parent) if (folder / "openapi.yaml").exists())
    as_yaml = path.read_bytes()
    written = yaml.load(as_yaml, _LOADER)  # noqa: S506  # a safe loader
    document = _as_secured(written, security, api_key_header) if security else written
    if document != written:
        as_yaml = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120).encode()
    return Contract(as_yaml, json.dumps(document, ensure_ascii=False).encode(), document)


def _as_secured(written: dict[str, Any], security: Security, api_key_header: str) -> dict[str, Any]:
    """Return a copy of the contract that says which credentials this service asks for."""
    document = copy.deepcopy(written)
    document["components"]["securitySchemes"]["apiKey"]["name"] = api_key_header
    for _, operation in _operations(document):
        permission = operation.get("x-permission")
        if permission and security.is_open(permission):
            del operation["security"]
        elif permission and security.recognition.schemes:
            operation["security"] = [{scheme: []} for scheme in security.recognition.schemes]
    return document


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the path and the record of every operation."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method in HTTP_METHODS:
                yield path, operation


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's, where PyYAML has it, is seven times as fast: it shortens the start."""


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]  # one of two classes
    """Writes texts of several lines as blocks, and no anchors."""

    def ignore_aliases(self, _: Any) -> bool:
        return True

    def represent_text(self, text: str) -> yaml.ScalarNode:
        node: yaml.ScalarNode = self.represent_scalar("tag:yaml.org,2002:str", text, "|" if "\n" in text else None)
        return node


_Dumper.add_representer(str, _Dumper.represent_text)
