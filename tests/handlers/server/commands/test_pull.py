"""`framehook models pull`, against a server on a real socket: what it brings is whole and right, or is not there."""

import errno
import hashlib
import json
import re
import resource
import shutil
from pathlib import Path

import pytest

from handlers.server.commands import pull
from handlers.server.commands.cli import main
from lab.graphs import LABELS, write_identity_model
from models.catalogue import pulling
from models.catalogue.download import Patience
from models.catalogue.entries import Catalogue
from tests.support.file_server import Answer, FileServer, Request, breaks_at, content, serving_file, status, whole
from tests.support.waiting import PATIENCE_S

NAME = "small"
ALL = {"labels.txt", "model.onnx", "model.yaml"}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return (write_identity_model(tmp_path_factory.mktemp("made")) / "model.onnx").read_bytes()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A model repository that is not there yet."""
    return tmp_path / "repository"


@pytest.fixture(autouse=True)
def catalogue(weights: bytes, monkeypatch: pytest.MonkeyPatch) -> Catalogue:
    """A catalogue with one small model; there are no pauses between attempts."""
    entry = {
        "licence": "Apache-2.0",
        "revision": "1",
        "urls": ["https://models.invalid/1/model.onnx"],
        "size_bytes": len(weights),
        "sha256": hashlib.sha256(weights).hexdigest(),
        "labels": "two",
        "picture": {"of": "ssdlite-mobilenet-v2", "shows": "cup"},
        "family": {"name": "ssd"},
        "input": {"size_wh": [64, 64]},
    }
    made = Catalogue.model_validate({"models": {NAME: entry}, "labels": {"two": LABELS}})
    monkeypatch.setattr(pull, "read_catalogue", lambda: made)
    monkeypatch.setattr(pulling, "PATIENCE", Patience(silence_s=PATIENCE_S, attempts=2, pause_s=0, gain_bytes=1))
    return made


def call(root: Path, *arguments: object, server: FileServer | None = None) -> int:
    mirror = ["--model-mirror", server.url] if server else []
    return main(["models", "pull", NAME, "--model-repository", f"zoo,{root}", *mirror, *map(str, arguments)])


def test_a_model_is_pulled_checked_and_can_be_served(
    root: Path, weights: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving_file(weights, whole) as server:
        assert call(root, server=server) == 0
    assert server.asked == [(f"/{NAME}.onnx", None)]
    assert names_in(root) == {NAME}
    assert names_in(root / NAME) == ALL
    assert (root / NAME / "model.onnx").read_bytes() == weights
    printed, progress = capsys.readouterr()
    assert progress == ""  # no bar where nobody sees it
    assert f"ok: {NAME} (family ssd, 2 labels" in printed
    assert f"--model-repository {root} --default-model {NAME}" in printed
    assert main(["check", str(root / NAME)]) == 0


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def refusal(capsys: pytest.CaptureFixture[str]) -> str:
    """Return the one line that says what went wrong."""
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("framehook: ")
    return line


def zeros(request: Request) -> None:
    content(bytes(len(request.plan.content)))(request)


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        pytest.param([status(404)], r"answered 404\. Try again later, name a mirror", id="not there"),
        pytest.param([content(b"<html>", Content_Length=6)], "offers 6 bytes; expected", id="a web page"),
        pytest.param([zeros], "has another file: its sha256 is [0-9a-f]{64}, expected", id="another file"),
        pytest.param([breaks_at(40), zeros], "has another file: its sha256 is", id="another file after a break"),
    ],
)
def test_nothing_is_left_of_a_wrong_file(
    root: Path, weights: bytes, answers: list[Answer], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving_file(weights, *answers) as server:
        assert call(root, server=server) == 1
    line = refusal(capsys)
    assert re.search(reason, line)
    assert f"{NAME} cannot be downloaded: {server.url}/{NAME}.onnx " in line
    assert names_in(root) == set()


def test_the_next_call_goes_on_after_a_break(root: Path, weights: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    with serving_file(weights, breaks_at(40)) as server:
        assert call(root, server=server) == 1
    assert "What came is kept: the same command goes on with it." in refusal(capsys)
    [shelter] = names_in(root)
    assert shelter.startswith(f".{NAME}-")  # so it is not served
    with serving_file(weights, whole) as server:
        assert call(root, server=server) == 0
    assert server.asked == [(f"/{NAME}.onnx", "bytes=40-")]
    assert names_in(root) == {NAME}


def test_a_beginning_that_is_wrong_is_fetched_again(root: Path, weights: bytes) -> None:
    with serving_file(bytes(len(weights)), breaks_at(40)) as server:
        assert call(root, server=server) == 1
    with serving_file(weights, whole) as server:
        assert call(root, server=server) == 0
    assert [asked for _, asked in server.asked] == ["bytes=40-", None]
    assert (root / NAME / "model.onnx").read_bytes() == weights


def test_the_addresses_of_the_catalogue_are_tried_one_after_the_other(
    root: Path, weights: bytes, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving_file(weights, status(404), whole) as server:
        urls = (f"{server.url}/first.onnx", f"{server.url}/second.onnx")
        entry = catalogue.models[NAME].model_copy(update={"urls": urls})
        two = catalogue.model_copy(update={"models": {NAME: entry}})
        monkeypatch.setattr(pull, "read_catalogue", lambda: two)
        assert call(root) == 0
    assert [path for path, _ in server.asked] == ["/first.onnx", "/second.onnx"]


def test_a_password_of_the_mirror_is_not_printed(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(root, "--model-mirror", "http://me:secret@127.0.0.1:1/") == 1
    line = refusal(capsys)
    assert f" http://127.0.0.1:1/{NAME}.onnx broke off" in line
    assert "secret" not in line


def test_a_file_is_imported_without_a_network(root: Path, weights: bytes, tmp_path: Path) -> None:
    file = tmp_path / "brought.onnx"
    file.write_bytes(weights)
    assert call(root, "--from", file) == 0
    assert names_in(root / NAME) == ALL
    assert names_in(root) == {NAME}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(None, "brought.onnx cannot be read: No such file", id="missing"),
        pytest.param(b"x", f"brought.onnx has 1 bytes; {NAME} has ", id="too short"),
        pytest.param(b"", f"brought.onnx is not {NAME}: its sha256 is", id="another"),
    ],
)
def test_a_wrong_file_is_not_imported(
    root: Path, weights: bytes, body: bytes | None, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = root.with_name("brought.onnx")
    if body is not None:
        file.write_bytes(body or bytes(len(weights)))
    assert call(root, "--from", file) == 1
    assert reason in refusal(capsys)
    assert names_in(root) == set()


def test_a_folder_is_overwritten_only_if_that_is_asked(
    root: Path, weights: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / NAME).mkdir(parents=True)
    (root / NAME / "mine").touch()
    with serving_file(weights, whole) as server:
        assert call(root, server=server) == 1
        assert server.asked == []
        assert f"{root / NAME} is there already; --overwrite replaces it." in refusal(capsys)
        assert call(root, "--overwrite", server=server) == 0
    assert names_in(root / NAME) == ALL
    assert names_in(root) == {NAME}


def test_a_folder_stays_if_the_new_one_cannot_be_pulled(root: Path, weights: bytes) -> None:
    (root / NAME).mkdir(parents=True)
    (root / NAME / "mine").touch()
    with serving_file(weights, status(404)) as server:
        assert call(root, "--overwrite", server=server) == 1
    assert names_in(root / NAME) == {"mine"}


def test_a_folder_comes_back_if_the_new_one_cannot_be_moved(
    root: Path, weights: bytes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / NAME).mkdir(parents=True)
    (root / NAME / "mine").touch()
    rename = Path.rename

    def refuse_the_new_one(path: Path, target: Path) -> Path:
        if path.parent.name.startswith(".") and path.name == NAME:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse_the_new_one)
    with serving_file(weights, whole) as server:
        assert call(root, "--overwrite", server=server) == 1
    assert "cannot be written: Permission denied." in refusal(capsys)
    assert names_in(root / NAME) == {"mine"}


def test_what_cannot_be_served_is_not_published_unless_that_is_asked(
    root: Path,
    weights: bytes,
    catalogue: Catalogue,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = catalogue.model_copy(update={"labels": {"two": ("one",)}})
    monkeypatch.setattr(pull, "read_catalogue", lambda: other)
    with serving_file(weights, whole) as server:
        assert call(root, server=server) == 1
        assert re.search(r"with 1 label\(s\).* cannot serve it\. --no-check adds", refusal(capsys))
        assert not (root / NAME).exists()
        assert call(root, "--no-check", server=server) == 0
        assert len(server.asked) == 1  # the download was kept
    assert names_in(root) == {NAME}


def test_a_full_disk_is_told(
    root: Path, weights: bytes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with serving_file(weights, whole) as server:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
        try:
            assert call(root, server=server) == 1
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert f"{root} cannot be written: File too large." in refusal(capsys)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 0, 9))  # noqa: SLF001
        assert call(root, server=server) == 1
    assert f"{root} has 9 bytes free; {len(weights)} are needed." in refusal(capsys)
    assert names_in(root) == set()


def test_where_nobody_may_write_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(Path("/proc/nowhere")) == 1
    assert "/proc/nowhere cannot be written: No such file" in refusal(capsys)


def test_two_calls_do_not_write_one_file(root: Path, weights: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    def meanwhile(request: Request) -> None:
        assert call(root) == 1
        request.file()

    with serving_file(weights, meanwhile) as server:
        assert call(root, "--no-check", server=server) == 0
    assert f"Another process pulls {NAME} into {root}; wait for it." in refusal(capsys)


def test_without_a_name_the_catalogue_is_listed(catalogue: Catalogue, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "pull"]) == 0
    head, row, _ = capsys.readouterr().out.splitlines()
    assert head.split() == ["name", "MB", "AP", "licence", "from"]
    assert row.split() == [NAME, "0.2", "-", "Apache-2.0", catalogue.models[NAME].urls[0]]


def test_the_catalogue_is_data_too(catalogue: Catalogue, capsys: pytest.CaptureFixture[str]) -> None:
    entry = catalogue.models[NAME]
    expected = {"name": NAME, "sizeBytes": entry.size_bytes, "ap": None, "licence": "Apache-2.0", "from": entry.urls[0]}
    assert main(["models", "pull", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == expected


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["nope", "--model-repository", "x"], f"The catalogue has no model 'nope'; it has: {NAME}."),
        ([NAME], "Name the folder for the model: --model-repository FOLDER"),
        ([NAME, "--model-repository", "zoo"], "Nothing is added to the built-in models."),
        ([NAME, "--model-mirror", "ftp://x"], "option --model-mirror"),
    ],
)
def test_a_wrong_call_is_explained(arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "pull", *arguments]) == 1
    assert reason in refusal(capsys)
