"""Reads the manifests for Kubernetes."""

from typing import Any

import yaml

from tests.support.client import ROOT

CHART = ROOT / "deploy" / "helm" / "framehook"
MANIFESTS = ROOT / "deploy" / "kubernetes"
DOCUMENT = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
NAMES = ("framehook", "everything")
"""Of the committed manifests: the chart with its default values, and with all that it can do."""

Kinds = dict[str, dict[str, Any]]


def kinds_of(text: str) -> Kinds:
    """Return the objects of a manifest by kind; there is one of each."""
    objects = [document for document in yaml.safe_load_all(text) if document]
    by_kind = {document["kind"]: document for document in objects}
    assert len(by_kind) == len(objects)
    return by_kind


def committed(name: str) -> Kinds:
    """Return the objects of a committed manifest by kind."""
    return kinds_of((MANIFESTS / f"{name}.yaml").read_text())


def pod_of(kinds: Kinds) -> dict[str, Any]:
    """Return the specification of the pods."""
    spec: dict[str, Any] = kinds["Deployment"]["spec"]["template"]["spec"]
    return spec


def container_of(kinds: Kinds) -> dict[str, Any]:
    """Return the only container of a pod."""
    [container] = pod_of(kinds)["containers"]
    return dict(container)


def environment(kinds: Kinds) -> dict[str, str]:
    """Return the variables of the service."""
    return {variable["name"]: variable["value"] for variable in container_of(kinds)["env"]}
