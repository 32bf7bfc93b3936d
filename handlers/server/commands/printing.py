"""How commands print results: `--format` means the same for all of them."""

import argparse
import csv
import json
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

Say: TypeAlias = Callable[[str], None]
"""Prints a text for people: to standard output, unless data for programs go there."""
Record: TypeAlias = Mapping[str, Any]
TABLE, JSON, CSV = FORMATS = ("table", "json", "csv")
SHOWN = 3
"""Entries of a list that a table shows."""


def add_format_to(parser: argparse.ArgumentParser) -> None:
    """Add the option. Its default does not depend on where the output goes, so that a call always prints the same."""
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default=TABLE,
        help="a table for people (the default), JSON with one result a line, or CSV",
    )


def print_records(form: str, records: Iterable[Record], row_of: Callable[[Record], Record]) -> None:
    """Print results. `records`: as JSON has them. `row_of`: makes one flat; all rows have the same keys."""
    if form == JSON:
        for record in records:
            print(json.dumps(record, ensure_ascii=False))
        return
    rows = list(map(row_of, records))
    columns = list(rows[0]) if rows else []
    if form == CSV:
        writer = csv.DictWriter(sys.stdout, columns)
        writer.writeheader()
        writer.writerows({name: _whole(value) for name, value in row.items()} for row in rows)
        return
    numbers = [number for number, name in enumerate(columns) if any(isinstance(row[name], int | float) for row in rows)]
    cells = [[_short(value) for value in row.values()] for row in rows]
    print("\n".join(aligned([columns, *cells], right=numbers)))


def printable(text: str) -> str:
    """Return a text as one line that a terminal only shows: names of files and models may have control characters."""
    return "".join(character if character.isprintable() else "?" for character in text)


def show(text: str) -> None:
    """Print a text; letters that the output cannot have, as those of a server's labels, are replaced."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(text.encode(encoding, "replace").decode(encoding))


def aligned(rows: Sequence[Sequence[str]], right: Collection[int]) -> Iterator[str]:
    """Yield the rows with equally wide columns. `right`: the numbers of those that are aligned to the right."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = zip(row, widths, strict=True)
        yield "  ".join(
            f"{cell:>{width}}" if number in right else f"{cell:<{width}}" for number, (cell, width) in enumerate(cells)
        ).rstrip()


def _whole(value: Any) -> Any:
    return ",".join(value) if isinstance(value, list | tuple) else value


def _short(value: Any) -> str:
    """Return a value for people: of a long list, the number of its entries and the first ones."""
    if value is None:
        return "-"
    if not isinstance(value, list | tuple):
        return str(value)
    if len(value) <= SHOWN:
        return ", ".join(value)
    return f"{len(value)}: {', '.join(value[:SHOWN])}, ..."
