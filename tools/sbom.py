"""Lists what the service consists of, as a CycloneDX document: packages, weights, labels and fonts.

Usage: python -m tools.sbom [FILE] [--extras EXTRA...], by default on standard output and for the extra tls. The
packages, their versions and the hashes of all their distributions are those of requirements/, their licences those of
the installed packages; the files are those of NOTICE that are part of the product. The same input gives the same bytes;
SOURCE_DATE_EPOCH adds a time.
"""

import argparse
import hashlib
import json
import os
import re
import sys
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement

from tools.notice import ROOT, Notice, read_notices

EXTRAS = ("tls",)
"""What the image has by default."""
PYTHONS = ("3.11", "3.12", "3.13")
"""The Python versions that scripts/lock resolves for."""
PARTS_OF_THE_PRODUCT = ("handlers/", "models/")
WEIGHTS = ".onnx"
SPDX_IDS = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "MIT License": "MIT",
    "License :: OSI Approved :: BSD License": "BSD-3-Clause",  # jinja2; its licence file says which
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: MIT License": "MIT",
}
"""SPDX identifiers of licences that packages name in another way."""


@dataclass(frozen=True, slots=True)
class Pinned:
    """One package of a lock file, with the sha256 of each of its distributions."""

    requirement: Requirement
    version: str
    hashes: tuple[str, ...]

    @property
    def on_linux(self) -> bool:
        """Return whether the service may use it on Linux: some packages are for other systems only."""
        marker = self.requirement.marker
        return marker is None or any(
            marker.evaluate({"sys_platform": "linux", "python_full_version": f"{version}.0"}) for version in PYTHONS
        )


def read_lock(path: Path) -> list[Pinned]:
    """Return the packages of a lock file. Raises ValueError if one is not pinned to one version with a hash."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = (line.strip() for line in text.splitlines())
    return [_read_pinned(line) for line in lines if line and not line.startswith("#")]


def read_extras(root: Path, extras: Iterable[str]) -> list[Pinned]:
    """Return the packages of several extras, each once, by name."""
    locks = [root / "requirements" / f"{extra}.txt" for extra in extras]
    pinned = {str(one.requirement): one for lock in locks for one in read_lock(lock)}
    return sorted(pinned.values(), key=lambda one: (one.requirement.name, one.version))


def _read_pinned(line: str) -> Pinned:
    text, *hashes = line.split(" --hash=")
    requirement = Requirement(text)
    pinned = re.fullmatch(r"==([^*,]+)", str(requirement.specifier))
    sha256 = tuple(entry.strip().removeprefix("sha256:") for entry in hashes)
    if pinned is None or not sha256 or not all(re.fullmatch("[0-9a-f]{64}", entry) for entry in sha256):
        raise ValueError(f"Not pinned to one version with hashes: {text}")
    return Pinned(requirement, pinned[1], sha256)


def licence_of(package: str) -> str:
    """Return the licence of an installed package as an SPDX expression; "" if it names none."""
    stated = metadata(package)
    named = stated["License-Expression"] or stated["License"]
    if named:
        return SPDX_IDS.get(named, named)
    entries = [entry for entry in stated.get_all("Classifier", []) if entry.startswith("License ::")]
    return " OR ".join(SPDX_IDS.get(entry, entry) for entry in entries)


def make_bom(root: Path = ROOT, extras: Iterable[str] = EXTRAS) -> str:
    """Return the document, as JSON. Raises ValueError if a file does not have the sha256 in NOTICE."""
    product = _product(root)
    components = [_package(pinned) for pinned in read_extras(root, extras) if pinned.on_linux]
    components += [_file(root, notice) for notice in read_notices(root) if notice.path.startswith(PARTS_OF_THE_PRODUCT)]
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    time = datetime.fromtimestamp(int(epoch), UTC) if epoch else None
    bom = Bom(components=components, metadata=BomMetaData(component=product, timestamp=time))
    bom.register_dependency(product, components)
    document = json.loads(JsonV1Dot6(bom).output_as_string())
    del document["serialNumber"]  # by chance
    if time is None:
        del document["metadata"]["timestamp"]  # now
    return json.dumps(document, indent=2) + "\n"


def _project(root: Path) -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project


def _product(root: Path) -> Component:
    project = _project(root)
    name, version = project["name"], project["version"]
    purl = PackageURL("generic", name=name, version=version)
    return Component(
        name=name, version=version, type=ComponentType.APPLICATION, description=project["description"],
        licenses=[LicenseFactory().make_from_string(project["license"])], purl=purl, bom_ref=purl.to_string(),
    )  # fmt: skip


def _package(pinned: Pinned) -> Component:
    requirement = pinned.requirement
    purl = PackageURL("pypi", name=requirement.name, version=pinned.version)
    licence = LicenseFactory().make_from_string(licence_of(requirement.name))
    marker = [Property(name="framehook:marker", value=str(requirement.marker))] if requirement.marker else []
    return Component(
        name=requirement.name, version=pinned.version, type=ComponentType.LIBRARY, licenses=[licence], purl=purl,
        bom_ref=purl.to_string(), hashes=[_sha256(entry) for entry in pinned.hashes], properties=marker,
    )  # fmt: skip


def _file(root: Path, notice: Notice) -> Component:
    sha256 = hashlib.sha256((root / notice.path).read_bytes()).hexdigest()
    if sha256 != notice.sha256:
        raise ValueError(f"{notice.path} is not the file that NOTICE speaks of: its sha256 is {sha256}.")
    is_model = notice.path.endswith(WEIGHTS)
    return Component(
        name=notice.path, type=ComponentType.MACHINE_LEARNING_MODEL if is_model else ComponentType.FILE,
        description=notice.origin, licenses=[LicenseFactory().make_from_string(notice.licence)], bom_ref=notice.path,
        hashes=[_sha256(sha256)],
    )  # fmt: skip


def _sha256(hexadecimal: str) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=hexadecimal)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the document to a file or to standard output."""
    parser = argparse.ArgumentParser(description="Lists what the service consists of, as a CycloneDX document.")
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="by default standard output")
    extras = _project(ROOT)["optional-dependencies"]
    text = "extras that the image has"
    parser.add_argument("--extras", nargs="+", choices=extras, default=EXTRAS, metavar="EXTRA", help=text)
    options = parser.parse_args(arguments)
    try:
        document = make_bom(extras=options.extras)
    except PackageNotFoundError as error:
        parser.error(f"{error.name} is not installed here, so its licence is not known.")
    if options.file is None:
        sys.stdout.write(document)
    else:
        options.file.write_text(document, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
