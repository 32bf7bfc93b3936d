"""Checks manifests with the schemas of Kubernetes: python check_kubernetes.py OLDEST FILE...

Checks with all versions from the oldest one on; unknown members are faults, too. Prints each version and the kinds that
were checked with it, and fails with the first fault. The kinds of the Prometheus operator have one version, `operator`.
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
    _report("operator", operators)
    newest = kubernetes_validate.latest_version()
    others = [document for document in documents if document not in operators]
    for minor in range(int(oldest.split(".")[1]), int(newest.split(".")[1]) + 1):
        for document in others:
            kubernetes_validate.validate(document, f"1.{minor}", strict=True)
        _report(f"1.{minor}", others)


def _report(version: str, documents: list[dict[str, Any]]) -> None:
    sys.stdout.write(" ".join([version, *sorted({document["kind"] for document in documents})]) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
