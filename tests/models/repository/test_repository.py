"""Model folders: bad ones are refused, with the reason."""

import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lab.graphs import LABELS, write_config, write_identity_model, write_planted_model
from models.errors import ModelConfigError, ModelNotFoundError, UnknownLabelError
from models.repository.files import chunks_of
from models.repository.folder import (
    BUILT_IN_ZOO,
    find_models,
    folders_named,
    read_folder,
    reason_for_clients,
)
from models.results import Selection
from models.runtime.loading import load_model
from tests.support.client import ROOT
from tests.support.cost import costs_at_most
from tests.support.models.engines import engine_of
from tests.support.models.repositories import read_repository

GOOD = """\
weights: {file: model.onnx}
labels: labels.txt
licence: x
source: y
family: {name: ssd}
input: {size_wh: [64, 64]}
"""
MOST_OF_A_PICTURE = 40_000
"""Bytes, since it is part of every wheel."""


def folder_with(tmp_path: Path, config: str, labels: str = "a\nb") -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.yaml").write_text(config)
    (folder / "labels.txt").write_text(labels)
    return folder


def golden(picture: str, label: str) -> str:
    return f"golden: {{picture: {picture}, expect: [{{label: {label}, confidence: 0.5}}]}}\n"


def test_the_built_in_zoo_is_complete() -> None:
    folders = read_repository(BUILT_IN_ZOO)
    assert {folder.name: len(folder.labels) for folder in folders} == {
        "blazeface-back": 1,
        "efficientnet-lite0": 1000,
        "ssdlite-mobilenet-v2": 80,
    }
    for folder in folders:
        checksum = hashlib.sha256(folder.weights_path.read_bytes()).hexdigest()
        assert checksum in (folder.path / "README.md").read_text()
        assert checksum in (ROOT / "NOTICE").read_text()
        assert folder.config.golden
        picture = (folder.path / folder.config.golden.picture).read_bytes()
        assert hashlib.sha256(picture).hexdigest() in (ROOT / "NOTICE").read_text()
        assert len(picture) < MOST_OF_A_PICTURE


def test_a_good_folder_is_read(tmp_path: Path) -> None:
    folder = read_folder(folder_with(tmp_path, GOOD))
    assert (folder.name, folder.labels, folder.weights_path.name) == ("model", ("a", "b"), "model.onnx")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        pytest.param("a: [", r"model\.yaml: line 2: this is not YAML: ", id="no YAML"),
        pytest.param("a: 1\nb: c: d\n", "line 2: this is not YAML: mapping values are not", id="two colons"),
        pytest.param("a: 'b\nc: 1\n", "line 3: this is not YAML: ", id="a quotation mark without an end"),
        pytest.param("a: \0", "this is not YAML", id="a zero byte"),
        pytest.param("a:\n  b: 1\n\tc: 2\n", "line 3: .* expected blanks .* not a tab", id="a tab"),
        pytest.param("a:\n  \tb: 1\n", "line 2: .* expected blanks .* not a tab", id="a tab behind blanks"),
        pytest.param(GOOD + "licence: z\n", "line 7: expected each key once", id="a key twice"),
        pytest.param(GOOD.replace("{name: ssd}", "{name: ssd, name: yolox}"), "line 5: expected each", id="deeper"),
        pytest.param(GOOD + "d: [{e: 1}, {e: 1,\n e: 2}]\n", "line 8: expected each key", id="a key twice in a list"),
        pytest.param("", "the whole document: expected keys with values", id="empty"),
        pytest.param(GOOD + "lables: x\n", "lables: no such key", id="a misspelt key"),
        pytest.param(GOOD.replace("ssd", "yolo"), "family: expected a section .* ssd, yolov3", id="an unknown family"),
        pytest.param(GOOD.replace("name: ssd", ""), "family: expected a section .* ssd, yolov3", id="no family's name"),
        pytest.param(GOOD.replace("{name: ssd}", "ssd"), "family: expected a section with", id="a name, no section"),
        pytest.param(GOOD.replace("ssd", "yolox, x: 1"), r"family\.yolox\.x: no such key", id="no key of the family"),
        pytest.param(GOOD.replace("64, 64", "64"), "input.size_wh", id="half a size"),
        pytest.param(GOOD.replace("[64, 64]", "64"), "size_wh: Input should be a list", id="no list"),
        pytest.param(
            GOOD.replace("model.onnx", "../x.onnx"), r"weights\.file: String should match pattern", id="a path out"
        ),
        pytest.param(
            GOOD.replace("model.onnx", ".."), r"weights\.file: String should match pattern", id="the folder above"
        ),
        pytest.param(
            GOOD.replace("weights: {file: model.onnx}", "file: model.onnx"),
            r"model\.yaml: file: put it under weights, as in weights: \{file: model\.onnx\}",
            id="a file on top",
        ),
        pytest.param(GOOD.replace("file: model.onnx", ""), r"weights: expected \{file: \.\.\.\}", id="no weights"),
        pytest.param(
            GOOD.replace("model.onnx", "model.onnx, package: rapidocr"), "weights: expected", id="weights of two kinds"
        ),
        pytest.param(GOOD.replace("{file: model.onnx}", "model.onnx"), "weights: expected", id="weights of no kind"),
        pytest.param(
            GOOD.replace("file: model.onnx", "package: easyocr"),
            r"weights\.package: .*'rapidocr'",
            id="no such package",
        ),
        pytest.param(
            GOOD.replace("file: model.onnx", "package: rapidocr"),
            "labels: leave it out; the package rapidocr brings the labels",
            id="labels of a package",
        ),
        pytest.param(GOOD.replace("labels: labels.txt", ""), "labels: expected the name of a file", id="no labels"),
        pytest.param(GOOD.replace("labels.txt", "none.txt"), "none.txt is not a file", id="no labels file"),
        pytest.param(GOOD + golden("../x.jpg", "a"), "golden.picture: String should match", id="a picture elsewhere"),
        pytest.param(GOOD + golden("x.jpg", "a"), "x.jpg is not a file", id="no golden picture"),
        pytest.param(
            GOOD + golden("labels.txt", "c"), "golden.expect: c is no label in labels.txt", id="no such label"
        ),
        pytest.param(
            GOOD + "golden: {picture: x.jpg, expect: []}\n", "golden.expect: a list should have", id="nothing expected"
        ),
        pytest.param(GOOD + "d: 2020-13-45\n", "is not YAML", id="an impossible date"),
        pytest.param("[" * 5000, "line 1: expected no more than 20 sections inside each other", id="endless nesting"),
        pytest.param("a: [" + "[]," * 5000 + "]", "expected no more than 4000 values", id="endless lists"),
        pytest.param("a: &a [x]\nb: *a\n", r"expected no aliases \(\*name\)", id="aliases"),
        pytest.param("a: 1" + ":1" * 30_000, "no word of more than 1000 characters", id="an endless number"),
        pytest.param("#" * 70_000, r"model\.yaml has more than 65536 bytes", id="a large file"),
    ],
)
def test_a_bad_config_is_refused_by_file_and_key(tmp_path: Path, config: str, message: str) -> None:
    with pytest.raises(ModelConfigError, match=message):
        read_folder(folder_with(tmp_path, config))


EXPENSIVE = {
    "flat": "a: [" + "a," * 1990 + "a]",
    "long lists": "a: [" + "a," * 32_000 + "a]",
    "keys": "".join(f"{number}: {{}}\n" for number in range(1300)),
    "words": "a: [" + ",".join(["1" + ":1" * 499] * 64) + "]",
    "anchors": "a: [" + "".join(f"&a{number} x," for number in range(3900)) + "]",
    "one hash": "a: {" + "".join(f"{number * (2**61 - 1)}: ," for number in range(1900)) + "}",
    "merged": "b: {<<: [" + "{x: 1}," * 990 + "]}",
    "directives": "".join(f"%TAG !{number}! tag:x:\n" for number in range(3500)) + "---\na",
    "nested": "{a: " * 65_000,
}


@pytest.mark.parametrize("name", list(EXPENSIVE))
def test_the_most_expensive_configs_take_a_bounded_time(tmp_path: Path, name: str) -> None:
    """Each takes up to 60 ms on a quiet machine; without limits, two thirds of a minute, or the process ends."""
    folder = folder_with(tmp_path, EXPENSIVE[name][: 64 << 10])
    with pytest.raises(ModelConfigError), costs_at_most(2):
        read_folder(folder)


def odd_link(folder: Path) -> None:
    (folder / "loop").symlink_to("loop")


def many_files(folder: Path) -> None:
    for number in range(1001):
        (folder / f"{number}").touch()


def sparse(folder: Path) -> None:
    with (folder / "model.onnx").open("wb") as file:
        file.truncate(5 << 30)


ODD: dict[str, tuple[Callable[[Path], object], str]] = {
    "a link to itself": (odd_link, "loop cannot be read: Too many levels of symbolic links"),
    "too many files": (many_files, "has more than 1000 files"),
    "sparse weights": (sparse, "has more than 4 GiB"),
}


@pytest.mark.parametrize("name", list(ODD))
def test_odd_files_are_refused_at_once(tmp_path: Path, name: str) -> None:
    folder = folder_with(tmp_path, GOOD)
    spoil, message = ODD[name]
    spoil(folder)
    with pytest.raises(ModelConfigError, match=message):
        read_folder(folder)


def test_a_file_is_read_as_long_as_it_was_when_it_was_opened(tmp_path: Path) -> None:
    path = tmp_path / "growing"
    path.write_bytes(b"x" * 100)
    chunks = []
    for chunk in chunks_of(path):
        chunks.append(chunk)
        with path.open("ab") as file:
            file.write(chunk)
        assert len(chunks) < 10
    assert b"".join(chunks) == b"x" * 100


def test_a_pipe_put_in_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ModelConfigError, match="pipe is not a file"):
        list(chunks_of(tmp_path / "pipe"))


def test_names_that_are_not_utf8_make_no_odd_text(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, GOOD)
    (folder / os.fsdecode(b"bad\xff")).symlink_to("/etc/passwd")
    with pytest.raises(ModelConfigError, match=r"bad\\udcff leads out") as refused:
        read_folder(folder)
    assert str(refused.value).encode()
    assert len(str(ModelConfigError("x" * 9000))) < 2100


def test_clients_see_no_paths_of_the_machine(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, "")
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(ModelConfigError) as refused:
        read_folder(folder)
    assert reason_for_clients(refused.value, [tmp_path / "link", tmp_path]).startswith("model/model.yaml: the whole")
    assert reason_for_clients(refused.value, [tmp_path.parent, tmp_path]).startswith("model/model.yaml: the whole")


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, GOOD)
    (folder / "labels.txt").unlink()
    os.mkfifo(folder / "labels.txt")
    with pytest.raises(ModelConfigError, match=r"labels\.txt is not a file"):
        read_folder(folder)


@pytest.mark.parametrize("name", [".hidden", "a b", "é", "a%2Fb"])
def test_a_model_is_named_as_a_path_can_be(tmp_path: Path, name: str) -> None:
    folder_with(tmp_path, GOOD).rename(tmp_path / name)
    with pytest.raises(ModelConfigError, match="expected a folder named with"):
        read_folder(tmp_path / name)


def test_an_empty_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelConfigError, match="No model in"):
        read_repository(tmp_path)


def test_one_of_several_repositories_that_is_missing_is_refused_by_name(tmp_path: Path) -> None:
    write_identity_model(tmp_path)
    missing = tmp_path / "missing"
    with pytest.raises(ModelConfigError, match=f"{missing} cannot be read: No such file"):
        find_models([tmp_path, missing])
    assert folders_named("identity", [missing, tmp_path]) == [tmp_path / "identity"]
    with pytest.raises(ModelConfigError, match="cannot be read"):
        folders_named("other", [missing, tmp_path])


def test_the_folder_of_a_model_is_no_repository(tmp_path: Path) -> None:
    folder = write_identity_model(tmp_path)
    with pytest.raises(ModelConfigError, match=f"{folder} is the folder of a model; expected the folder that contains"):
        find_models([folder])


def rename_config(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "model.yaml").rename(folder / name)


def nest(folder: Path) -> None:
    inner = folder.rename(folder.with_name(".inner"))
    folder.mkdir()
    inner.rename(folder / "inner")


MISPLACED: dict[str, tuple[Callable[[Path], object], str]] = {
    "model.yml": (rename_config("model.yml"), r"identity/model\.yml: expected the name model\.yaml"),
    "in upper case": (rename_config("Model.YAML"), r"identity/Model\.YAML: expected the name model\.yaml"),
    "as an editor hides it": (rename_config("model.yaml.txt"), r"identity/model\.yaml\.txt: expected the name"),
    "one level too deep": (nest, r"identity/inner/model\.yaml is one level too deep: put the folder inner into "),
}


@pytest.mark.parametrize("name", list(MISPLACED))
def test_a_config_with_a_wrong_name_or_place_is_named(tmp_path: Path, name: str) -> None:
    misplace, message = MISPLACED[name]
    misplace(write_identity_model(tmp_path))
    [folder] = find_models([tmp_path]).values()
    with pytest.raises(ModelConfigError, match=message):
        read_folder(folder)


def test_folders_that_hold_no_model_are_no_models(tmp_path: Path) -> None:
    write_identity_model(tmp_path)
    for path in ("docs/deeper/still/model.yaml", ".old/identity/model.yaml", "old/.hidden/model.yaml", "x/notes.yml"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).touch()
    (tmp_path / "docs" / "link").symlink_to(tmp_path / "identity")
    assert list(find_models([tmp_path])) == ["identity"]


@pytest.mark.parametrize("content", [b"", b"<html>", b"\x08\x07", (b"\x08\x0a" + b"\0" * 99)])
def test_a_bad_weights_file_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    folder = folder_with(tmp_path, GOOD)
    (folder / "model.onnx").write_bytes(content)
    with pytest.raises(ModelConfigError, match=re.escape(str(folder / "model.onnx"))) as refused:
        load_model(read_folder(folder))
    assert "\n" not in str(refused.value)


def test_missing_weights_are_refused_by_name(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, GOOD)
    with pytest.raises(ModelConfigError, match=re.escape(str(folder / "model.onnx"))):
        load_model(read_folder(folder))


def test_fewer_labels_than_classes_are_refused(tmp_path: Path) -> None:
    folder = write_planted_model(tmp_path, np.zeros((1, 4), np.float32), np.zeros((1, 2), np.float32))
    write_config(folder, LABELS[:1])
    with pytest.raises(ModelConfigError, match=r"model\.onnx, family ssd with 1 label\(s\): expected output scores"):
        load_model(read_folder(folder))


def test_an_unknown_default_model_is_refused_with_the_names_served(tmp_path: Path) -> None:
    write_identity_model(tmp_path)
    with pytest.raises(ModelNotFoundError, match="the models are: identity"):
        engine_of(tmp_path, "nope")


def test_labels_become_class_ids_and_unknown_ones_are_named(tmp_path: Path) -> None:
    folder = read_folder(write_identity_model(tmp_path))
    assert folder.select(labels=["other", "block", "other"]).class_ids == frozenset({0, 1})
    assert folder.select(0.3, [], 7) == Selection(0.3, None, 7)
    for label, shown in (("unicorn", "'unicorn'"), ("\u00e4\n", "'\\xe4\\n'"), ("x" * 41, f"'{'x' * 40}'...")):
        with pytest.raises(UnknownLabelError) as refused:
            folder.select(labels=["block", label])
        assert str(refused.value) == f"The model has no label {shown}; its labels are: block, other."
