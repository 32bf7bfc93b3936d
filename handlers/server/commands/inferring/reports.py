"""Answers → lines of text: JSON for programs, CSV for spreadsheets, a table for people."""

import csv
import io
import json
import sys
from collections.abc import Mapping
from typing import Any, Protocol

from tqdm import tqdm

from handlers.server.commands.printing import printable

CSV_COLUMNS = ("file", "frame", "time", "outcome", "type", "label", "confidence", "l", "t", "w", "h", "id")


class Report(Protocol):
    """Writes answers. `header`: comes first; may be empty."""

    header: str

    def text(self, answer: Mapping[str, Any]) -> str:
        """Return the lines of one answer, each with its end; none for an error that the report has no place for."""
        ...


class JsonLines:
    """One JSON object per answer; errors, too."""

    header = ""

    def text(self, answer: Mapping[str, Any]) -> str:
        """Return one line."""
        return json.dumps(answer, ensure_ascii=False) + "\n"


class Csv:
    """One row per inference, as RFC 4180 has it."""

    header = ",".join(CSV_COLUMNS) + "\r\n"

    def text(self, answer: Mapping[str, Any]) -> str:
        """Return the rows."""
        rows = io.StringIO()
        writer = csv.DictWriter(rows, CSV_COLUMNS)
        place = {key: answer.get(key) for key in ("file", "frame", "time", "outcome")}
        writer.writerows({**place, **_flat(inference)} for inference in answer.get("inferences", ()))
        return rows.getvalue()


class Table:
    """One row per inference, in columns.

    `files`: the names that will come, so that the first column is wide enough. `timed`: whether frames have times, and
    `has_outcomes`, whether answers say how they came about.
    """

    def __init__(self, files: list[str], *, timed: bool, has_outcomes: bool) -> None:
        self._file_width = max(map(len, ["file", *files]))
        self._label_width = 12
        self._timed, self._has_outcomes = timed, has_outcomes
        self.header = self._row(self._place("file", "time", "outcome"), "label", "confidence", ("l", "t", "w", "h"))

    def text(self, answer: Mapping[str, Any]) -> str:
        """Return the rows; one with a dash where nothing was found."""
        inferences = [_flat(inference) | _in_words(inference) for inference in answer.get("inferences", ())]
        if "inferences" in answer and not inferences:
            inferences = [{"label": "-"}]
        place = self._place(answer["file"], _rounded(answer.get("time"), 3), answer.get("outcome", ""))
        return "".join(
            self._row(
                place,
                str(found["label"] or found["type"]),
                _rounded(found.get("confidence"), 2),
                tuple(_rounded(found.get(side), 4) for side in "ltwh"),
            )
            for found in inferences
        )

    def _place(self, file: str, time: str, outcome: str) -> str:
        """Return the columns that all rows of an answer have in common."""
        time_column = f"  {time:>10}" if self._timed else ""
        outcome_column = f"  {outcome:<8}" if self._has_outcomes else ""
        return f"{file:<{self._file_width}}{time_column}{outcome_column}"

    def _row(self, place: str, label: str, confidence: str, box_ltwh: tuple[str, ...]) -> str:
        place, label = printable(place), printable(label)
        self._label_width = max(self._label_width, len(label))
        sides = "  ".join(f"{side:>6}" for side in box_ltwh)
        return f"{place}  {label:<{self._label_width}}  {confidence:>10}  {sides}".rstrip() + "\n"


def _rounded(number: float | None, decimals: int) -> str:
    return "" if number is None else f"{number:.{decimals}f}"


def _flat(inference: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an inference says, by column.

    A line of text, whose box is an entity's, has its text as label; an event what has happened and where.
    """
    kind = inference["type"]
    found = inference[kind]
    tag = found.get("tag", {})
    label = _happened(inference) if kind == "event" else tag.get("value", found.get("value", ""))
    confidence = {"confidence": tag["confidence"]} if "confidence" in tag else {}
    return {"type": kind, "label": label, **confidence, **found.get("box", {}), "id": found.get("id", "")}


def _happened(inference: Mapping[str, Any]) -> str:
    """Return an event in words: lineCrossing gate clockwise."""
    event = inference["event"]
    return " ".join(filter(None, (inference["subtype"], event["name"], event["properties"].get("direction"))))


def _in_words(inference: Mapping[str, Any]) -> dict[str, str]:
    """Return the label of what has attributes with their values: cup, espresso."""
    attributes = inference[inference["type"]].get("attributes", ())
    words = [_flat(inference)["label"], *(attribute["value"] for attribute in attributes)]
    return {"label": ", ".join(words)} if attributes else {}


class Printer:
    """Prints a report to standard output, and errors that it has no place for to standard error.

    `failed`: whether there was an error.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self.failed = False

    def begin(self) -> None:
        """Print the header."""
        self._write(self._report.header)

    def print(self, answer: Mapping[str, Any]) -> None:
        """Print one answer."""
        text = self._report.text(answer)
        if "error" in answer:
            self.failed = True
        if "error" in answer and not text:
            tqdm.write(printable(f"framehook: {answer['file']}: {answer['error']}"), file=sys.stderr)
        self._write(text)

    def _write(self, text: str) -> None:
        if sys.stdout.isatty():
            tqdm.write(text, end="")  # above the progress bars
        else:
            print(text, end="", flush=True)
