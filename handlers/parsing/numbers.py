"""How numbers are written in queries, headers and forms.

Python would also read nan, inf, 1_000, surrounding blanks, and the digits of other scripts. Both patterns take time
proportional to the length of the text.
"""

import re

WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,100}")
NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")


def read_whole_number(text: str) -> int | None:
    """Return the whole number that a text writes, or None."""
    return int(text) if WHOLE_NUMBER.fullmatch(text) else None


def read_number(text: str) -> float | None:
    """Return the number that a text writes, or None; beyond the range of floats it is infinite."""
    return float(text) if NUMBER.fullmatch(text) else None
