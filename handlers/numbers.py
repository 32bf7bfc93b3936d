"""How numbers are written in queries and on the command line."""

import re

NUMBERS = {
    "integer": re.compile(r"[+-]?[0-9]{1,100}"),
    "number": re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?"),
}
"""The contract's type → its pattern. Python also reads nan, inf, 1_000, surrounding blanks and non-ASCII digits."""
