"""The same report as a text, a document, JUnit's XML and a page."""

import json
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from conformance.inferences import Found
from conformance.reports.document import document
from conformance.reports.junit import junit
from conformance.reports.page import page
from conformance.reports.text import text
from conformance.running import Report, Result, Sight
from conformance.verdicts import DECIDED, PAGE, Check, Finding, Verdict, passed

HOSTILE = '<script>alert(1)</script> & "quotes" \x00\x1b[31m ￾'
SOURCES = {Verdict.WARN: DECIDED}


def result_of(verdict: Verdict, detail: str = "200 application/json") -> Result:
    name = f"requests.{verdict.replace(' ', '-')}"
    check = Check(name, f"The {verdict} is right.", "Cameras go blind.", SOURCES.get(verdict, PAGE), lambda _: passed())
    return Result(check, Finding(verdict, detail), 0.25)


def report_of(*results: Result, found: tuple[Found, ...] = ()) -> Report:
    return Report(
        url="http://127.0.0.1:8080/inference",
        version="1.2.3",
        started_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        duration_s=1.5,
        requests=7,
        results=results,
        sights=(Sight("cup", b"\xff\xd8", found),),
    )


ALL = report_of(*map(result_of, Verdict), found=(Found("cup <b>", 0.9, (0.1, 0.2, 0.3, 0.4)),))


class _Reader(HTMLParser):
    """Notes the elements of a page, and where they lead."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.targets += [value or "" for name, value in attrs if name in {"src", "href"} or name.startswith("on")]


def read_page(report: Report) -> _Reader:
    reader = _Reader()
    reader.feed(page(report))
    return reader


def test_a_text_explains_what_is_wrong_and_nothing_else() -> None:
    lines = text(ALL).splitlines()
    assert lines[-1] == "Checks: 1 pass, 1 fail, 1 warn, 1 not asked, 1 cannot tell. Requests: 7 in 1.5 s."
    assert "  FAIL         requests.fail         200 application/json" in lines
    assert lines.count("    why       Cameras go blind.") == 2
    assert f"    source    {PAGE.text}" in lines


def test_a_document_has_all_that_is_known() -> None:
    read = json.loads(json.dumps(document(ALL), allow_nan=False))
    assert read["counts"] == {"pass": 1, "fail": 1, "warn": 1, "not asked": 1, "cannot tell": 1}
    assert read["checks"][1] == {
        "id": "requests.fail",
        "verdict": "fail",
        "detail": "200 application/json",
        "sentence": "The fail is right.",
        "why": "Cameras go blind.",
        "source": PAGE.text,
        "binds": True,
        "durationS": 0.25,
    }
    assert read["checks"][2]["binds"] is False
    assert read["pictures"][0]["found"] == [
        {"label": "cup <b>", "confidence": 0.9, "box": {"l": 0.1, "t": 0.2, "w": 0.3, "h": 0.4}}
    ]


def test_junit_counts_failures_and_what_was_skipped() -> None:
    suite = ET.fromstring(junit(ALL)).find("testsuite")
    assert suite is not None
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped", "time")} == {
        "tests": "5",
        "failures": "1",
        "errors": "0",
        "skipped": "2",
        "time": "1.500",
    }
    kinds = {case.get("name", ""): [child.tag for child in case] for case in suite}
    assert kinds == {
        "requests.pass": ["system-out"],
        "requests.fail": ["failure"],
        "requests.warn": ["system-out"],
        "requests.not-asked": ["skipped"],
        "requests.cannot-tell": ["skipped"],
    }


def test_a_page_needs_no_other_file_and_no_script() -> None:
    read = read_page(ALL)
    assert [target[:23] for target in read.targets] == ["#requests.fail", "#requests.warn", "data:image/jpeg;base64,"]
    assert not {"script", "link", "iframe", "form", "b>"} & set(read.tags)
    assert read.tags.count("details") == 5
    assert read.tags.count("rect") == 1
    assert "url(" not in page(ALL)


@pytest.mark.parametrize("verdict", list(Verdict))
def test_what_a_server_said_is_shown_as_it_is(verdict: Verdict) -> None:
    hostile = report_of(result_of(verdict, HOSTILE), found=(Found(HOSTILE, 2.0, (-9e99, 0.0, 9e99, 1.0)),))
    plain = report_of(result_of(verdict, "x"), found=(Found("x", 2.0, (-9e99, 0.0, 9e99, 1.0)),))
    assert read_page(hostile).tags == read_page(plain).tags
    shown: Any = ET.fromstring(junit(hostile))
    assert "alert(1)" in ET.tostring(shown, encoding="unicode")
    assert json.loads(json.dumps(document(hostile)))["checks"][0]["detail"] == HOSTILE


def test_a_report_of_nothing_can_be_shown() -> None:
    empty = Report("http://x/", "1", datetime(2026, 1, 2, tzinfo=UTC), 0, 0, ())
    assert text(empty).endswith("Checks: . Requests: 0 in 0.0 s.")
    assert read_page(empty).tags.count("details") == 0
    assert ET.fromstring(junit(empty)).find("testsuite/testcase") is None


def test_users_whose_model_finds_nothing_are_told_what_to_do() -> None:
    assert "--picture" in text(report_of(result_of(Verdict.PASS)))
    assert "--picture" not in text(ALL)
