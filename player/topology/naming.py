"""The variables that every topology has, and names of files that are made of them."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

MAX_NAME_BYTES = 200
"""Of UTF-8; most file systems take 255, and an ending is added."""
DATE_TIME = "${System.DateTime}"
"""What stands for the time until a name is made."""
VARIABLES = {
    "System.TopologyName": "TopologyName",
    "System.GraphTopologyName": "TopologyName",
    "System.PipelineName": "PipelineName",
    "System.GraphInstanceName": "PipelineName",
    "System.DateTime": "DateTime",
    "System.Runtime.DateTime": "DateTime",
}
"""The system variables of both dialects, and what they stand for."""

_DATE_TIMES = re.compile(r"\$\{System\.(?:Runtime\.)?DateTime\}", re.IGNORECASE)
_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f/\\:*?"<>|\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]')


def system_values(topology: str, pipeline: str) -> Mapping[str, str]:
    """Return the system variables, in small letters → value; the time stays to be filled in."""
    values = {"TopologyName": topology, "PipelineName": pipeline, "DateTime": DATE_TIME}
    return {name.lower(): values[meaning] for name, meaning in VARIABLES.items()}


def has_date_time(pattern: str) -> bool:
    """Return whether a pattern has the time."""
    return _DATE_TIMES.search(pattern) is not None


def file_name(pattern: str, at_s: float) -> str:
    """Return the name of a file, without an ending: a pattern with the time filled in, as 20211005T123456Z, in UTC.

    `at_s`: seconds of Unix time. The name is that of a file in a folder, whatever the pattern is: separators and
    characters that file systems refuse become `-`, and dots at its begin and end, and more than one in a row, are left
    out. At most MAX_NAME_BYTES bytes; of a longer one the end is cut off, and the time is put there.
    """
    time = datetime.fromtimestamp(at_s, UTC).strftime("%Y%m%dT%H%M%SZ")
    name = _safe(_DATE_TIMES.sub(time, pattern))
    if len(name.encode()) <= MAX_NAME_BYTES:
        return name or time
    cut = name.encode()[: MAX_NAME_BYTES - len(time) - 1].decode("utf-8", "ignore")
    return f"{_safe(cut)}-{time}"


def _safe(name: str) -> str:
    return re.sub(r"\.{2,}", ".", _UNSAFE.sub("-", name)).strip(". ")
