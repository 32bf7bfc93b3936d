"""`framehook conform`, as a user types it."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from conformance.checks import CHECKS, GROUPS
from handlers.server.commands.cli import main
from tests.support.seeded.model import board
from tests.support.seeded.server import seeded

QUICK = ("--only", "requests.png-alpha,answers.charset")


@pytest.fixture
def picture(tmp_path: Path) -> str:
    path = tmp_path / "board.png"
    board().save(path)
    return str(path)


def test_a_right_server_is_judged_with_status_0(picture: str, capsys: pytest.CaptureFixture[str]) -> None:
    with seeded() as url:
        assert main(["conform", url, "--picture", picture, *QUICK]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith(f"{url}, judged by framehook ")
    assert printed[-1].startswith("Checks: ")


def test_a_failure_is_status_1_and_a_warning_is_not(picture: str) -> None:
    with seeded("png-alpha") as url:
        assert main(["conform", url, "--picture", picture, *QUICK]) == 1
    with seeded("charset") as url:
        assert main(["conform", url, "--picture", picture, *QUICK]) == 0
        assert main(["conform", url, "--picture", picture, *QUICK, "--strict"]) == 1
    with seeded() as url:
        assert main(["conform", url, "--picture", picture, *QUICK, "--strict"]) == 0


def test_a_check_that_is_skipped_is_not_asked_even_if_others_need_it(
    picture: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with seeded("boxes-one-size") as url:
        chosen = ("--only", "geometry.pad", "--skip", "geometry.scale", "--format", "json")
        assert main(["conform", url, "--picture", picture, *chosen]) in {0, 1}
    asked = {check["id"]: check["verdict"] for check in json.loads(capsys.readouterr().out)["checks"]}
    assert "geometry.scale" not in asked
    assert asked["geometry.pad"] != "cannot tell"


def test_all_reports_say_the_same(picture: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    html, xml = tmp_path / "report.html", tmp_path / "report.xml"
    with seeded("png-alpha", "charset") as url:
        files = ("--html", str(html), "--junit", str(xml), "--format", "json")
        assert main(["conform", url, "--picture", picture, *QUICK, *files]) == 1
    read = json.loads(capsys.readouterr().out)
    wrong = {check["id"]: check["verdict"] for check in read["checks"] if check["verdict"] in {"fail", "warn"}}
    assert wrong == {"requests.png-alpha": "fail", "answers.charset": "warn"}
    assert [case.get("name") for case in ET.parse(xml).iterfind(".//testcase[failure]")] == ["requests.png-alpha"]
    page = html.read_text(encoding="utf-8")
    assert all(check["sentence"] in page for check in read["checks"])
    assert [seen["name"] for seen in read["pictures"]] == ["board.png", "the middle of board.png"]


def test_checks_are_listed_without_a_server(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conform", "--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [check.id for check in CHECKS]
    assert main(["conform", "--list", "--only", "requests.png", "--format", "json"]) == 0
    assert [row["id"] for row in json.loads(capsys.readouterr().out)] == ["requests.jpeg", "requests.png"]
    assert main(["conform", "--list", "--skip", ",".join(GROUPS)]) == 0
    assert capsys.readouterr().out == ""


def test_a_limit_leaves_the_rest_without_a_verdict(picture: str, capsys: pytest.CaptureFixture[str]) -> None:
    with seeded() as url:
        limited = ("conform", url, "--picture", picture, "--max-requests", "2", "--only", "requests")
        assert main(limited) == 0
        assert main([*limited, "--strict"]) == 1
    assert "Checks: 2 pass, 17 cannot tell." in capsys.readouterr().out


def test_nothing_listens(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conform", "http://127.0.0.1:1/", *QUICK]) == 1
    assert "no connection: Connection refused" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Which server?"),
        (["http://8.8.8.8/"], "--allow 8.8.8.8"),
        (["http://127.0.0.1:1/", "--only", "colours"], "no check or group 'colours'"),
        (["http://127.0.0.1:1/", "--skip", "colours"], "no check or group 'colours'"),
        (["http://127.0.0.1:1/", "--user", "me"], "go together"),
        (["http://127.0.0.1:1/", "--user", "me", "--password-file", "none"], "none cannot be read"),
        (["http://127.0.0.1:1/", "--user", "me", "--password-file", "two-lines"], "must hold one line"),
        (["http://127.0.0.1:1/", "--user", "me", "--password-file", "latin-1"], "not in UTF-8"),
        (["http://127.0.0.1:1/", "--header-file", "one-line"], "expected one line: NAME: VALUE"),
        (["http://127.0.0.1:1/", "--header-file", "spaces"], "expected one line: NAME: VALUE"),
        (["http://127.0.0.1:1/", "--user", "a:b", "--password-file", "one-line"], "colon"),
        (["http://127.0.0.1:1/", "--user", "a\nb", "--password-file", "one-line"], "control character"),
        (["http://127.0.0.1:1/", "--header-file", "x", "--user", "me", "--password-file", "one-line"], "either"),
        (["http://127.0.0.1:1/", "--picture", "none"], "none cannot be read"),
        (["http://127.0.0.1:1/", "--picture", "one-line"], "one-line is no picture"),
        (["http://127.0.0.1:1/", *QUICK, "--html", "no/folder"], "cannot be written"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_asked_is_one_sentence(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one-line").write_text("secret\n")
    (tmp_path / "spaces").write_text("X Key: secret")
    (tmp_path / "two-lines").write_text("secret\nsecret\n")
    (tmp_path / "latin-1").write_bytes(b"\xe4secret")
    assert main(["conform", *arguments]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "secret" not in said
