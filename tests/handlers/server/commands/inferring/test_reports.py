"""Answers as JSON, CSV and tables, in full."""

import csv
import io
from typing import Any

import pytest

from handlers.server.commands.inferring.reports import Csv, JsonLines, Printer, Report, Table

BOX = {"l": 0.1, "t": 0.25, "w": 0.5, "h": 0.123456}
FRAME: dict[str, Any] = {
    "file": "gate.mp4",
    "frame": 7,
    "time": 0.28,
    "outcome": "regions",
    "inferences": [
        {"type": "entity", "entity": {"id": "5510", "tag": {"value": "person", "confidence": 0.914}, "box": BOX}},
        {"type": "motion", "motion": {"box": {"l": 0, "t": 0, "w": 1, "h": 1}}},
        {
            "type": "event",
            "subtype": "lineCrossing",
            "event": {"name": "gate", "properties": {"direction": "clockwise", "total": "3"}},
        },
    ],
}
PICTURE: dict[str, Any] = {
    "file": "a, b.jpg",
    "inferences": [
        {"type": "classification", "classification": {"tag": {"value": "cup", "confidence": 1.0}}},
        {
            "type": "entity",
            "entity": {"tag": {"value": "text", "confidence": 0.5}, "box": BOX},
            "inferenceId": "line-1",
        },
        {"type": "text", "text": {"value": 'a "quoted", long\nline'}, "relatedInferences": ["line-1"]},
    ],
}
NOTHING: dict[str, Any] = {"file": "empty.png", "inferences": []}
FAULT: dict[str, Any] = {"file": "broken.jpg", "error": "The file is broken."}
ANSWERS = (FRAME, PICTURE, NOTHING, FAULT)

CSV = """\
file,frame,time,outcome,type,label,confidence,l,t,w,h,id
gate.mp4,7,0.28,regions,entity,person,0.914,0.1,0.25,0.5,0.123456,5510
gate.mp4,7,0.28,regions,motion,,,0,0,1,1,
gate.mp4,7,0.28,regions,event,lineCrossing gate clockwise,,,,,,
"a, b.jpg",,,,classification,cup,1.0,,,,,
"a, b.jpg",,,,entity,text,0.5,0.1,0.25,0.5,0.123456,
"a, b.jpg",,,,text,"a ""quoted"", long
line",,,,,,
"""
TABLE = """\
file             time  label         confidence       l       t       w       h
gate.mp4        0.280  person              0.91  0.1000  0.2500  0.5000  0.1235
gate.mp4        0.280  motion                    0.0000  0.0000  1.0000  1.0000
gate.mp4        0.280  lineCrossing gate clockwise
a, b.jpg               cup                                1.00
a, b.jpg               text                               0.50  0.1000  0.2500  0.5000  0.1235
a, b.jpg               a "quoted", long?line
empty.png              -
"""
WITH_OUTCOMES = """\
file            time  outcome   label         confidence       l       t       w       h
gate.mp4       0.280  regions   person              0.91  0.1000  0.2500  0.5000  0.1235
gate.mp4       0.280  regions   motion                    0.0000  0.0000  1.0000  1.0000
gate.mp4       0.280  regions   lineCrossing gate clockwise
"""
UNTIMED = """\
file       label         confidence       l       t       w       h
empty.png  -
"""


def written(report: Report, *answers: dict[str, Any]) -> str:
    return report.header + "".join(map(report.text, answers))


def test_csv_has_a_row_per_inference() -> None:
    text = written(Csv(), *ANSWERS)
    assert text == CSV.replace("\n", "\r\n").replace("long\r\n", "long\n")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["label"] for row in rows] == [
        "person",
        "",
        "lineCrossing gate clockwise",
        "cup",
        "text",
        'a "quoted", long\nline',
    ]


def test_the_table_is_aligned() -> None:
    assert written(Table(["gate.mp4", "a, b.jpg", "empty.png"], timed=True, has_outcomes=False), *ANSWERS) == TABLE
    assert written(Table(["gate.mp4"], timed=True, has_outcomes=True), FRAME) == WITH_OUTCOMES
    assert written(Table(["empty.png"], timed=False, has_outcomes=False), NOTHING) == UNTIMED


def test_json_has_a_line_per_answer() -> None:
    assert written(JsonLines(), NOTHING, FAULT) == (
        '{"file": "empty.png", "inferences": []}\n{"file": "broken.jpg", "error": "The file is broken."}\n'
    )


@pytest.mark.parametrize(
    ("report", "told_apart"),
    [(JsonLines(), ""), (Csv(), "framehook: broken.jpg: The file is broken.\n")],
    ids=["json", "csv"],
)
def test_errors_without_a_place_go_to_standard_error(
    report: Report, told_apart: str, capsys: pytest.CaptureFixture[str]
) -> None:
    printer = Printer(report)
    printer.print(NOTHING)
    assert not printer.failed
    printer.print(FAULT)
    assert printer.failed
    printed = capsys.readouterr()
    assert printed.err == told_apart
    assert ("broken.jpg" in printed.out) is (not told_apart)


def test_the_table_has_attributes_beside_the_label() -> None:
    entity = {"tag": {"value": "cup"}, "attributes": [{"name": "kind", "value": "espresso"}]}
    answer = {"file": "a.jpg", "inferences": [{"type": "entity", "entity": entity}]}
    table = Table(["a.jpg"], timed=False, has_outcomes=False)
    assert table.text(answer).split("  ")[1].rstrip() == "cup, espresso"
    assert Csv().text(answer).startswith("a.jpg,,,,entity,cup,")


def test_names_of_files_cannot_control_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    file = "a\x1b[2J\n\u202eb.jpg"
    printer = Printer(Table([file], timed=False, has_outcomes=False))
    for answer in (NOTHING, FAULT):
        printer.print(answer | {"file": file})
    printed = capsys.readouterr()
    assert printed.out == "a?[2J??b.jpg  -\n"
    assert printed.err == "framehook: a?[2J??b.jpg: The file is broken.\n"
