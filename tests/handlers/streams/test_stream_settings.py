"""Settings of streams: the files of a folder, and over HTTP."""

import json
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from handlers.errors import ConfigurationError
from handlers.parsing.queries import STREAM_NAME
from handlers.server.access.credentials import with_token
from handlers.streams.settings_files import MAX_FILES, MAX_SETTINGS_BYTES, SettingsOfStreams, file_name, read_settings
from lab.graphs import board, number_in, write_identity_model
from lab.pictures import encode
from scene.settings import LineSection, StreamSettings, TrackSection, ZoneSection
from tests.support.client import CONTRACT, ROOT
from tests.support.credentials import AUTHORIZED, CAMERA_TOKEN, RELOADABLE, bearer, settings_for
from tests.support.metrics import samples
from tests.support.server import LiveServer, running
from tests.support.waiting import wait_for

FRAME = encode(board(7), "PNG")
NAMES = [
    "Front Door",
    "Süd",
    "gate/1",
    "50%",
    ".hidden",
    "a.yaml",
    "..",
    "...",
    "默认",
    "{x}",
    "a&b=c",
    "settings",
    "a/settings",
]
"""Names that are awkward in a path, a query or a folder."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("streams")


@pytest.fixture(scope="module")
def live(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    repository = tmp_path_factory.mktemp("repository")
    write_identity_model(repository)
    write_identity_model(repository, "second")
    models: dict[str, Any] = {"model_repository": repository, "default_model": "identity"}
    with running(**models, streams=folder, queue_size=100, isolation="process", **RELOADABLE) as server:
        yield server


def path_of(stream: str) -> str:
    return "/streams/%2E%2E/settings" if stream == ".." else f"/streams/{quote(stream, safe='')}/settings"


def outcomes(server: LiveServer, stream: str) -> dict[str, int]:
    streams = server.client.get("/streams").json()["streams"]
    counts: dict[str, int] = next(each["frames"] for each in streams if each["id"] == stream)
    return counts


@pytest.mark.parametrize("stream", NAMES)
def test_any_printable_name_has_settings(live: LiveServer, folder: Path, stream: str) -> None:
    document = {"motion": {"refresh_s": 3600}, "thresholds": {"block": 0.25}}
    put = live.client.put(path_of(stream), json=document, headers=AUTHORIZED)
    assert (put.status_code, put.json(), put.headers["content-location"]) == (200, document, path_of(stream))
    assert live.client.get(path_of(stream)).json() == document
    assert yaml.safe_load((folder / file_name(stream)).read_text()) == document
    for parameter in ("stream", "id"):
        answer = live.client.post("/inference", params={parameter: stream}, content=FRAME)
        assert number_in(answer.json()["inferences"][0]["entity"]["box"]) == 7
    assert outcomes(live, stream) == {"run": 1, "regions": 0, "repeated": 1}
    assert samples(live)["framehook_stream_frames_total", "repeated", stream] == 1
    assert live.client.delete(path_of(stream), headers=AUTHORIZED).status_code == 204
    assert live.client.get(path_of(stream)).status_code == 404
    assert not (folder / file_name(stream)).exists()
    assert not any(labels[0] == "framehook_stream_frames_total" and stream in labels for labels in samples(live))


def test_files_are_taken_over_while_frames_are_answered(live: LiveServer, folder: Path) -> None:
    def holds(document: dict[str, Any] | None) -> bool:
        answer = live.client.get(path_of("yard"))
        return bool(answer.status_code == 404 if document is None else answer.json() == document)

    path = folder / "yard.yaml"
    for document in ({"min_area": 0.5}, {"model": "second"}, None):
        if document is None:
            path.unlink()
        else:
            path.write_text(json.dumps(document))
        wait_for(lambda document=document: holds(document))  # type: ignore[misc]
    path.write_text("min_area: 0.25\n")
    wait_for(lambda: holds({"min_area": 0.25}))
    path.write_text("min_area: 2\n")
    (folder / "other.yaml").write_text("{}")
    wait_for(lambda: live.client.get(path_of("other")).status_code == 200)
    assert holds({"min_area": 0.25}), "what was said before still holds"


def test_the_default_holds_for_streams_without_settings_of_their_own(live: LiveServer) -> None:
    assert live.client.put(path_of("default"), json={"max_area": 0.5}, headers=AUTHORIZED).status_code == 200
    live.client.put(path_of("own"), json={"max_area": 0.75}, headers=AUTHORIZED)
    answers = {name: live.client.get(path_of(name)) for name in ("anything", "own", "default")}
    held = {name: (each.json(), each.headers["content-location"]) for name, each in answers.items()}
    default = {"max_area": 0.5}, path_of("default")
    assert held == {"anything": default, "own": ({"max_area": 0.75}, path_of("own")), "default": default}
    assert live.client.post("/inference?stream=anything", content=FRAME).status_code == 204, "the box is too large"
    assert live.client.post("/inference", content=FRAME).status_code == 200, "a frame without a stream has no settings"
    for name in ("default", "own"):
        assert live.client.delete(path_of(name), headers=AUTHORIZED).status_code == 204
    assert live.client.delete(path_of("anything"), headers=AUTHORIZED).status_code == 404


def test_the_model_of_a_stream_answers_its_frames(live: LiveServer) -> None:
    live.client.put(path_of("gate"), json={"model": "second"}, headers=AUTHORIZED)

    def frames() -> dict[str, float]:
        found = samples(live)
        return {model: found.get(("framehook_frames_total", model, "run"), 0) for model in ("identity", "second")}

    before = frames()
    for path in ("/inference", "/score", "/annotate", "/inference/identity"):
        assert live.client.post(path, params={"stream": "gate"}, content=FRAME).status_code == 200
    after = frames()
    assert {name: after[name] - before[name] for name in after} == {"second": 3, "identity": 1}
    live.client.put(path_of("gate"), json={"model": "nope"}, headers=AUTHORIZED)
    refused = live.client.post("/inference?stream=gate", content=FRAME)
    assert (refused.status_code, refused.json()["type"]) == (404, "urn:framehook:unknown-model")


def test_forms_get_the_last_answer_again_when_nothing_has_moved(live: LiveServer) -> None:
    live.client.put(path_of("form"), json={"motion": {"refresh_s": 3600}}, headers=AUTHORIZED)
    url = "/v1/vision/detection?stream=form"
    first, again = (live.client.post(url, files={"image": ("a.png", FRAME)}) for _ in range(2))
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json()["predictions"] == first.json()["predictions"] != []
    assert again.json()["inferenceMs"] == 0
    assert outcomes(live, "form") == {"run": 1, "regions": 0, "repeated": 1}


def test_credentials_for_some_models_are_held_to_the_model_of_the_stream(tmp_path: Path) -> None:
    """Whoever may use one model cannot reach another one by the name of a stream."""
    for name in ("identity", "second"):
        write_identity_model(tmp_path / "models", name)
    (tmp_path / "streams").mkdir()
    (tmp_path / "streams" / "gate.yaml").write_text("model: second\n")
    (tmp_path / "streams" / "alias.yaml").write_text("model: ipcam-general\n")
    limited = settings_for(with_token("limited", CAMERA_TOKEN, may=("infer",), models=("identity",)))
    models: dict[str, Any] = {"model_repository": tmp_path / "models", "default_model": "identity"}
    with running(**models, streams=tmp_path / "streams", **limited) as server:
        for stream, status in (("gate", 403), ("other", 200), ("alias", 200)):
            answer = server.client.post(
                "/inference", params={"stream": stream}, content=FRAME, headers=bearer(CAMERA_TOKEN)
            )
            assert answer.status_code == status


def test_a_request_keeps_its_model_whatever_is_set_while_its_body_arrives(live: LiveServer) -> None:
    """Access was given for that model, and its description of raw frames and its labels were read."""

    def body() -> Iterator[bytes]:
        yield FRAME[:10]
        wait_for(lambda: samples(live)["framehook_bytes_in_flight",] >= 10)
        assert live.client.put(path_of("slow"), json={"model": "nope"}, headers=AUTHORIZED).status_code == 200
        yield FRAME[10:]

    assert live.client.post("/inference?stream=slow", content=body()).status_code == 200


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "The body is not JSON in UTF-8."),
        (b"\xff", "The body is not JSON in UTF-8."),
        (b"[" * MAX_SETTINGS_BYTES, "The body is not JSON in UTF-8."),
        (b"1" * MAX_SETTINGS_BYTES, "The body is not JSON in UTF-8."),
        (b"[]", "the whole document: expected keys with values."),
        (b'{"motion": []}', "motion: expected keys with values."),
        (b'{"motion": null}', "motion: expected a value; {} stands for a section with its defaults."),
        (b'{"motion": {"mask": [[[0, 0], [1, 1]]]}}', "motion.mask.0: "),
        (b'{"min_area": "0.5"}', "min_area: "),
        (b'{"min_area": NaN}', "min_area: "),
        (b'{"min_area": 0.5, "max_area": 0.25}', "min_area: expected at most max_area, 0.25, got 0.5."),
        (b'{"regions": {"grid": [2, 2]}}', "regions.mode: missing."),
        (b'{"regions": "motion"}', "regions: expected keys with values."),
        (b'{"include": [[[0, 2], [1, 1], [1, 0]]]}', "include.0.0.1: Input should be less than or equal to 1."),
        (b'{"regions": {"mode": "tiles"}}', "regions.mode: expected one of 'grid', 'motion'."),
        (b'{"thresholds": {"\\ud800": 0.5}}', "thresholds"),
        (b'{"' + b"x" * 60000 + b'": 1}', "x" * 300),
        (b'{"\\n\\u202e": 1}', "\\n\\u202e: no such key."),
        (b'{"thresholds": {"a\\u0085b": 0.5}}', "thresholds"),
        (b'{"min_area": 0.1, "min_area": 0.2}', "A key is there twice; expected each key once in its section."),
    ],
    ids=lambda value: value[:30] if isinstance(value, bytes) else "",
)
def test_wrong_settings_are_refused_and_nothing_is_written(
    live: LiveServer, folder: Path, body: bytes, sentence: str
) -> None:
    refused = live.client.put(path_of("wrong"), content=body, headers=AUTHORIZED)
    assert (refused.status_code, refused.json()["detail"][: len(sentence)]) == (400, sentence)
    assert len(refused.json()["detail"]) <= 300
    assert not (folder / "wrong.yaml").exists()


@pytest.mark.parametrize("stream", ["%07", "x" * 129, "%E2%80%AE"])
def test_what_is_no_name_has_no_settings(live: LiveServer, stream: str) -> None:
    assert live.client.get(f"/streams/{stream}/settings").status_code == 404
    assert live.client.put(f"/streams/{stream}/settings", json={}, headers=AUTHORIZED).status_code == 400
    assert live.client.delete(f"/streams/{stream}/settings", headers=AUTHORIZED).status_code == 404


def test_a_name_too_long_for_a_file_is_refused(live: LiveServer) -> None:
    refused = live.client.put(path_of("é" * 128), json={}, headers=AUTHORIZED)
    assert (refused.status_code, refused.json()["detail"]) == (
        409,
        "The settings cannot be written: File name too long.",
    )


def test_only_those_may_configure_who_are_allowed_to(live: LiveServer) -> None:
    for request in (live.client.put(path_of("yard"), json={}), live.client.delete(path_of("yard"))):
        assert request.status_code == 401


LARGEST = {
    "model": "m" * 128,
    "thresholds": {"\u9ed8" * 80 + str(number): 0.123456789012345 for number in range(100)},
    "min_area": 0.5,
    "max_area": 1.0,
    **{key: [[[0.1234567890123456, 0.9876543210123456]] * 32] * 8 for key in ("include", "exclude")},
    "motion": {"mask": [[[0.1234567890123456, 0.9876543210123456]] * 32] * 8, "report": True},
    "regions": {"mode": "grid"},
}


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    """The largest settings, too: files have limits of their own."""
    settings = StreamSettings.model_validate(LARGEST)
    SettingsOfStreams(tmp_path).put("largest", settings)
    assert read_settings(tmp_path / "largest.yaml") == settings
    assert len(json.dumps(LARGEST, ensure_ascii=False).encode()) < MAX_SETTINGS_BYTES


@given(st.text(min_size=1, max_size=128).filter(lambda name: STREAM_NAME.fullmatch(name) is not None))
def test_names_of_files_are_those_of_streams(name: str) -> None:
    file = file_name(name)
    assert "/" not in file
    assert not file.startswith(".")
    assert unicodedata.is_normalized("NFC", file) == unicodedata.is_normalized("NFC", name)


@pytest.mark.parametrize(
    ("file", "text", "fault"),
    [
        ("yard.yaml", "motion:\n", "yard.yaml: motion: expected a value; {} stands for a section with its defaults."),
        ("yard.yaml", "treshold: {person: 1}\n", "yard.yaml: treshold: no such key."),
        ("yard.yaml", "- motion\n", "yard.yaml: the whole document: expected keys with values."),
        ("yard.yaml", "motion: {\n", "yard.yaml: line "),
        *[("yard.yaml", text, "yard.yaml: the whole document: expected keys") for text in ("false", "0", "[]", "''")],
        ("README", "no settings", "README: expected the name of a stream, then .yaml."),
        ("\x1b[31m.yaml", "", r"\x1b[31m.yaml: expected the name of a stream, then .yaml."),
        ("\udcff.yaml", "", r"\udcff.yaml: expected the name of a stream, then .yaml."),
        ("yard.yml", "", "yard.yml: expected the name of a stream, then .yaml."),
        ("gate%2f1.yaml", "", "gate%2f1.yaml: the file of this stream is named gate%2F1.yaml."),
        ("%07.yaml", "", "%07.yaml: expected the name of a stream, then .yaml."),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, file: str, text: str, fault: str) -> None:
    (tmp_path / file).write_text(text)
    with pytest.raises(ConfigurationError, match=re.escape(str(tmp_path / fault))):
        SettingsOfStreams(tmp_path)


def test_links_that_lead_nowhere_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    (tmp_path / "gone.yaml").symlink_to("nothing")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / ".data").write_text("min_area: 0.5")
    (tmp_path / "yard.yaml").symlink_to(".data")
    settings = SettingsOfStreams(tmp_path)
    assert (len(settings), "yard" in settings) == (1, True)


LABELS = st.text(max_size=12) | st.sampled_from(
    ["yes", "1", "1e5", "~", "12:30", "=", "<<", "a: b", " #", "\u2028", "\x85"]
)


@given(st.dictionaries(LABELS, st.floats(0, 1)))
def test_any_label_that_is_taken_is_written_as_it_is(
    tmp_path_factory: pytest.TempPathFactory, thresholds: dict[str, float]
) -> None:
    try:
        settings = StreamSettings.model_validate({"thresholds": thresholds})
    except ValidationError:
        return
    folder = tmp_path_factory.getbasetemp() / "labels"
    folder.mkdir(exist_ok=True)
    SettingsOfStreams(folder).put("yard", settings)
    assert read_settings(folder / "yard.yaml") == settings


@pytest.mark.parametrize(
    "document",
    [
        {str(number): 1 for number in range(6000)},
        {"thresholds": {str(number): 9 for number in range(6000)}},
        {"include": [9] * 30000},
        {"include": [[9] * 30000]},
        {"include": [[[9, 9], [9, 9], [9, 9]]] * 4000},
        {"motion": {"mask": [[[9, 9]] * 10000]}},
    ],
    ids=lambda document: next(iter(document)),
)
def test_few_faults_are_listed(document: dict[str, Any]) -> None:
    """Listing each of thousands would take the event loop a quarter of a second."""
    with pytest.raises(ValidationError) as refused:
        StreamSettings.model_validate(document)
    assert refused.value.error_count() <= 10


def test_folders_have_bounds(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        SettingsOfStreams(tmp_path / "none")
    for number in range(MAX_FILES + 1):
        (tmp_path / f"{number}.yaml").touch()
    with pytest.raises(ConfigurationError, match=f"more than {MAX_FILES} files"):
        SettingsOfStreams(tmp_path)


def test_documented_settings_are_right() -> None:
    text = (ROOT / "docs" / "streams.md").read_text()
    blocks = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) + re.findall(r"<<'YAML'\n(.*?)YAML", text, re.DOTALL)
    assert len(blocks) >= 4
    for block in blocks:
        StreamSettings.model_validate(yaml.safe_load(block))


def test_the_keys_of_the_contract_are_those_of_files() -> None:
    schemas = CONTRACT["components"]["schemas"]
    documented = (ROOT / "docs" / "streams.md").read_text()
    for name, section in (
        ("StreamSettings", StreamSettings),
        ("MotionSettings", StreamSettings.model_validate({"motion": {}}).motion),
        ("GridRegions", StreamSettings.model_validate({"regions": {"mode": "grid"}}).regions),
        ("MotionRegions", StreamSettings.model_validate({"regions": {"mode": "motion"}}).regions),
        ("TrackSettings", TrackSection),
        ("LineSettings", LineSection),
        ("ZoneSettings", ZoneSection),
    ):
        assert section is not None
        fields = section.model_fields if isinstance(section, type) else type(section).model_fields
        assert list(schemas[name]["properties"]) == list(fields)
        assert all(f"`{key}`" in documented for key in fields if key != "mode")


def test_the_default_of_lost_s_is_documented() -> None:
    default = f"{TrackSection().lost_s:g}"
    description = CONTRACT["components"]["schemas"]["TrackSettings"]["properties"]["lost_s"]["description"]
    assert f"The default is {default}." in " ".join(description.split())
    assert f"| `lost_s` | {default} |" in (ROOT / "docs" / "streams.md").read_text()
