"""The contract: openapi.yaml, loaded once."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

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
        return {
            path: operation["operationId"]
            for path, operations in self.document["paths"].items()
            for method, operation in operations.items()
            if method in HTTP_METHODS and "requestBody" in operation
        }


def read_contract() -> Contract:
    """Read openapi.yaml, which lies in the installed package, or beside it in a checkout."""
    package = Path(__file__).parent.parent
    path = next(folder / "openapi.yaml" for folder in (package, package.parent) if (folder / "openapi.yaml").exists())
    as_yaml = path.read_bytes()
    document = yaml.safe_load(as_yaml)
    return Contract(as_yaml, json.dumps(document, ensure_ascii=False).encode(), document)
