"""Checks manifests with the schemas of Kubernetes: python check_kubernetes.py OLDEST FILE...

Checks with all versions from the oldest one on; unknown members are faults, too. Prints each version and the kinds that it
has schemas for, and fails with the first fault. The kinds of the Prometheus operator have one version, `operator`.
"""

import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml
from cloudcoil.models.prometheus_operator import v1

OPERATOR = "monitoring.coreos.com/v1"


def check_operators(document: dict[str, Any]) -> None:
    """Raise an error if an object of the operator is not as its model says."""
    read = getattr(v1, document["kind"]).model_validate(document)
    known = read.model_dump(mode="json", by_alias=True, exclude_unset=True)
    if known != document:
        raise ValueError(f"{document} has members that are not in {known}")


def main(oldest: str, *names: str) -> None:
    """Check all objects of these files."""
    documents = [document for name in names for document in yaml.safe_load_all(Path(name).read_text()) if document]
    operators = [document for document in documents if document["apiVersion"] == OPERATOR]
    for document in operators:
        check_operators(document)
    print("operator", *sorted({document["kind"] for document in operators}))
    newest = kubernetes_validate.latest_version()
    for minor in range(int(oldest.split(".")[1]), int(newest.split(".")[1]) + 1):
        others = [document for document in documents if document not in operators]
        for document in others:
            kubernetes_validate.validate(document, f"1.{minor}", strict=True)
        print(f"1.{minor}", *sorted({document["kind"] for document in others}))


if __name__ == "__main__":
    main(*sys.argv[1:])
