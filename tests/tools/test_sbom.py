"""The bill of materials is complete, valid, and the same every time."""

import hashlib
import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.support.client import CONTRACT, ROOT
from tools.sbom import licence_of, main, make_bom, read_extras, read_lock

LOCK = "requirements/tls.txt"
PINNED = [pinned for pinned in read_lock(ROOT / LOCK) if pinned.on_linux]
NAMES = sorted({pinned.requirement.name for pinned in PINNED})
PERMISSIVE = {
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "MIT", "MIT-0", "MIT-CMU", "PSF-2.0", "Zlib"
}  # fmt: skip
EXCEPTIONS = {  # the MPL demands that distributors provide the source; a Python package is its own source
    "certifi": "MPL-2.0",
    "tqdm": "MPL-2.0 AND MIT",
}


@pytest.fixture(scope="module")
def bom() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(make_bom())
    return document


def sha256_of(component: dict[str, Any]) -> set[str]:
    return {entry["content"] for entry in component["hashes"] if entry["alg"] == "SHA-256"}


def test_it_is_valid() -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(make_bom()) is None


def test_every_pinned_package_is_there_with_the_hashes_of_the_lock(bom: dict[str, Any]) -> None:
    text = (ROOT / LOCK).read_text(encoding="utf-8")
    blocks = re.findall(r"^([\w.-]+)(?:\[\S+\])?==(\S+)(.*(?:\n .*)*)", text, re.MULTILINE)
    locked = {(name, release): set(re.findall("[0-9a-f]{64}", rest)) for name, release, rest in blocks}
    named = {(one["name"], one["version"]): sha256_of(one) for one in bom["components"] if one["type"] == "library"}
    assert len(locked) == len(re.findall(r"^\S+==", text, re.MULTILINE))
    elsewhere = locked.keys() - named.keys()
    assert {name for name, _ in elsewhere} <= {"colorama"}, "only packages for Windows alone may be missing"
    assert named == {key: locked[key] for key in locked.keys() - elsewhere}
    assert all(named.values())


def test_every_package_has_a_purl_and_a_licence(bom: dict[str, Any]) -> None:
    for component in bom["components"]:
        assert component["licenses"], component["name"]
        if component["type"] == "library":
            assert component["purl"] == f"pkg:pypi/{component['name']}@{component['version']}"


@pytest.mark.parametrize("suffix", ["zoo/*/model.onnx", "zoo/*/labels.txt", "backends/*.onnx"])
def test_every_file_of_the_models_is_there_with_its_sha256(bom: dict[str, Any], suffix: str) -> None:
    named = {component["name"]: component for component in bom["components"]}
    files = list((ROOT / "models").glob(suffix))
    assert files
    for file in files:
        component = named[file.relative_to(ROOT).as_posix()]
        assert sha256_of(component) == {hashlib.sha256(file.read_bytes()).hexdigest()}


def test_the_product_is_what_the_contract_says(bom: dict[str, Any]) -> None:
    product = bom["metadata"]["component"]
    assert (product["name"], product["version"]) == ("framehook", CONTRACT["info"]["version"])
    [dependencies] = [entry for entry in bom["dependencies"] if entry["ref"] == product["bom-ref"]]
    assert set(dependencies["dependsOn"]) == {component["bom-ref"] for component in bom["components"]}


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    texts = []
    for name in ("one.json", "two.json"):
        command: list[str | Path] = [sys.executable, "-m", "tools.sbom", tmp_path / name]
        subprocess.run(command, cwd=ROOT, check=True)
        texts.append((tmp_path / name).read_bytes())
    assert texts[0] == texts[1] == make_bom().encode()


def test_a_time_is_told_only_on_request(bom: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    assert "timestamp" not in bom["metadata"]
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert json.loads(make_bom())["metadata"]["timestamp"] == "2023-11-14T22:13:20+00:00"


def test_weights_of_unknown_origin_are_refused(tmp_path: Path) -> None:
    for path in ("pyproject.toml", LOCK, "models/a.onnx"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes((ROOT / path).read_bytes() if (ROOT / path).exists() else b"weights")
    (tmp_path / "NOTICE").write_text(f"models/a.onnx\n    Weights.\n    Licence: MIT\n    sha256: {'0' * 64}\n")
    with pytest.raises(ValueError, match=r"models/a\.onnx is not the file that NOTICE speaks of"):
        make_bom(tmp_path)


def test_the_packages_of_several_extras_are_there_once_each() -> None:
    names = [one["name"] for one in json.loads(make_bom(extras=["tls", "player"]))["components"]]
    assert {"cryptography", "paho-mqtt", "av"} < set(names)
    assert names.count("connexion") == 1


@pytest.mark.parametrize("extra", ["nope", "out.json", "../requirements/tls", "ray"])
def test_an_extra_that_it_does_not_know_is_refused(extra: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Packages of Ray are not installed where it runs."""
    with pytest.raises(SystemExit, match="2"):
        main(["--extras", extra])
    assert re.search("invalid choice: '.+'|is not installed here", capsys.readouterr().err)


EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]


def test_the_locks_of_all_extras_agree() -> None:
    """So that an image, or an environment, can have any of them together."""
    versions: dict[str, set[str]] = {}
    for one in read_extras(ROOT, EXTRAS):
        versions.setdefault(f"{one.requirement.name} {one.requirement.marker}", set()).add(one.version)
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


def test_it_goes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert capsys.readouterr().out == make_bom()


@pytest.mark.parametrize("name", NAMES)
def test_the_licence_is_permissive(name: str) -> None:
    assert version(name) in {pinned.version for pinned in PINNED if pinned.requirement.name == name}
    licence = licence_of(name)
    assert licence == EXCEPTIONS.get(name, licence)
    assert name in EXCEPTIONS or set(re.split(" AND | OR ", licence)) <= PERMISSIVE


@pytest.mark.parametrize(
    "line",
    ["numpy", "numpy>=2", "numpy==2.4.6", f"numpy==2.4.* --hash=sha256:{'0' * 64}", "numpy==2.4.6 --hash=md5:00"],
)
def test_what_is_not_pinned_is_refused(line: str, tmp_path: Path) -> None:
    (tmp_path / "lock.txt").write_text(line)
    with pytest.raises(ValueError, match="Not pinned to one version with hashes: numpy"):
        read_lock(tmp_path / "lock.txt")
