"""Reads NOTICE: which files of this repository hold works of others, where they come from, and their licences.

A section is a line of paths, separated by commas and possibly with wildcards. Indented lines follow: what the files
are, `Licence:`, and `sha256:` (with several files, `sha256 of PATH:`).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

_SECTION = re.compile(r"^(?P<paths>\S+/\S+(?:, \S+/\S+)*)\n(?P<body>(?: {4}.+\n?)+)", re.MULTILINE)
_LICENCE = re.compile(r"^ {4}Licence: (.+)$", re.MULTILINE)
_CHECKSUM = re.compile(r"^ {4}sha256(?: of (?P<path>\S+))?: (?P<sha256>[0-9a-f]{64})$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Notice:
    """The entry of NOTICE for one file. `path`: from the root of the repository; `sha256`: None if not stated."""

    path: str
    origin: str
    licence: str
    sha256: str | None


def read_notices(root: Path = ROOT) -> list[Notice]:
    """Return the entries of all files that NOTICE covers, in its order.

    Raises ValueError for a section without a licence, or one whose paths match no file.
    """
    sections = _SECTION.finditer((root / "NOTICE").read_text(encoding="utf-8"))
    return [notice for section in sections for notice in _read_section(root, section)]


def _read_section(root: Path, section: re.Match[str]) -> Iterator[Notice]:
    body = section["body"]
    licence = _LICENCE.search(body)
    if licence is None:
        raise ValueError(f"NOTICE names no licence for {section['paths']}.")
    checksums = {match["path"]: match["sha256"] for match in _CHECKSUM.finditer(body)}
    origin = " ".join(body[: licence.start()].split())
    for pattern in section["paths"].split(", "):
        matching = sorted(file.relative_to(root).as_posix() for file in root.glob(pattern))
        if not matching:
            raise ValueError(f"NOTICE speaks of {pattern}, which is not there.")
        for path in matching:
            yield Notice(path, origin, licence[1], checksums.get(path, checksums.get(None)))
