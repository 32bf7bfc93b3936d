"""What must be known of a lossless WebP before it is decoded: how many prefix codes it has.

A picture may bring 65536 groups of five codes, each with tables of its own in the decoder: 300 KB cost 364 MiB for a
picture of one million pixels. The groups are counted in the image that assigns them to blocks of pixels. It stands
behind the images of the transforms, so those are read, too. All are small, and no pixels are made of them.

Layout: RFC 9649, sections 4 to 7. What is damaged is left to the decoder, unless it cannot be read.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from handlers.errors import UndecodableFrameError
from models.frame import Body
from models.letterbox import Size

MAX_GROUPS = 2600
"""libwebp's encoder writes no more; the decoder takes at most 20 KB for one."""
MAX_BLOCKS = 200_000
"""Of all images together. libwebp's encoder needs as many for 24 million pixels, at its slowest."""
WINDOW_BYTES = 16
"""That are read at once."""
PREDICTOR, CROSS_COLOUR, COLOUR_TABLE = 0, 1, 3
"""Transforms with an image; number 2 has none."""
TABLE_BITS = ((2, 3), (4, 2), (16, 1))
"""Colours of a table, at most → how often its indices halve the width."""
LITERALS, LENGTHS, DISTANCES = 256, 24, 40
MAX_CACHE_BITS = 11
LENGTH_ORDER = (17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
"""Of the code for lengths of codes."""
REPEATS = {16: (2, 3), 17: (3, 3), 18: (7, 11)}
"""Symbol of that code → extra bits, and the fewest repetitions."""
REPEAT_LAST = 16
FIRST_LENGTH = 8
"""The length that is repeated before any was given."""


def refuse_many_codes(stream: Body, size_wh: Size) -> None:
    """Raise UndecodableFrameError if a lossless picture has more groups of codes, or more blocks, than it needs.

    `stream`: what follows its header. Raises ValueError if it is damaged.
    """
    reader = _Reader(stream)
    width, height = size_wh
    seen: set[int] = set()
    while reader.read(1):
        kind = reader.read(2)
        if kind in seen:
            raise ValueError("expected each transform once")
        seen.add(kind)
        if kind == COLOUR_TABLE:
            colours = reader.read(8) + 1
            reader.image(colours, 1)
            halvings = next((bits for most, bits in TABLE_BITS if colours <= most), 0)
            width = _blocks(width, halvings)
        elif kind in {PREDICTOR, CROSS_COLOUR}:
            bits = reader.read(3) + 2
            reader.image(_blocks(width, bits), _blocks(height, bits))
    reader.cache_size()
    if reader.read(1):
        bits = reader.read(3) + 2
        groups = reader.image(_blocks(width, bits), _blocks(height, bits))
        if groups > MAX_GROUPS:
            raise _costly()


def _blocks(side: int, bits: int) -> int:
    """Return how many blocks of 2 ** bits pixels cover a side."""
    return -(-side >> bits)


def _costly() -> UndecodableFrameError:
    return UndecodableFrameError(
        f"The lossless WebP picture has more than {MAX_GROUPS} groups of codes or {MAX_BLOCKS} blocks, more than a "
        "picture needs."
    )


@dataclass(frozen=True, slots=True)
class _Code:
    """A prefix code. `table`: by the next `bits` bits, 16 x a symbol + the length of its code."""

    bits: int
    table: Sequence[int]


class _Reader:
    """Reads bits, the least significant ones first; behind the end they are zeros."""

    def __init__(self, stream: Body) -> None:
        self._stream = memoryview(stream)
        self._at = self._window = self._left = self._read_blocks = 0

    def read(self, bits: int) -> int:
        """Return a number of at most 32 bits."""
        number = self._peek() & ((1 << bits) - 1)
        self._window >>= bits
        self._left -= bits
        return number

    def _peek(self) -> int:
        if self._left < 32:  # noqa: PLR2004  # the most that are read at once
            piece = self._stream[self._at : self._at + WINDOW_BYTES]
            self._window |= int.from_bytes(piece, "little") << self._left
            self._at += WINDOW_BYTES
            self._left += 8 * WINDOW_BYTES
        return self._window

    def _symbol(self, code: _Code) -> int:
        if not code.bits:
            return code.table[0] >> 4
        entry = code.table[self._peek() & ((1 << code.bits) - 1)]
        self._window >>= entry & 15
        self._left -= entry & 15
        return entry >> 4

    def cache_size(self) -> int:
        """Return how many colours are kept for reference."""
        if not self.read(1):
            return 0
        bits = self.read(4)
        if not 1 <= bits <= MAX_CACHE_BITS:
            raise ValueError(f"expected a cache of 1 to {MAX_CACHE_BITS} bits, got {bits}")
        return 1 << bits

    def image(self, width: int, height: int) -> int:
        """Read an image; return how many groups its pixels name, which are the values of red and green.

        Each pixel is a literal or the repetition of one, so repetitions are only counted.
        """
        self._read_blocks += width * height
        if self._read_blocks > MAX_BLOCKS:
            raise _costly()
        sizes = (LITERALS + LENGTHS + self.cache_size(), LITERALS, LITERALS, LITERALS, DISTANCES)
        green_code, red_code, blue_code, alpha_code, distance_code = [self._code(size) for size in sizes]
        groups, left = {0}, width * height
        while left > 0:
            green = self._symbol(green_code)
            if green < LITERALS:
                groups.add(self._symbol(red_code) << 8 | green)
                self._symbol(blue_code)
                self._symbol(alpha_code)
                left -= 1
            elif green < LITERALS + LENGTHS:
                left -= self._prefixed(green - LITERALS)
                self._prefixed(self._symbol(distance_code))
            else:
                left -= 1
        return len(groups)

    def _prefixed(self, prefix: int) -> int:
        """Return the number with this prefix, its other bits being next: at least 1."""
        if prefix < 4:  # noqa: PLR2004  # RFC 9649, 5.2.2
            return prefix + 1
        bits = (prefix - 2) >> 1
        return ((2 + (prefix & 1)) << bits) + self.read(bits) + 1

    def _code(self, size: int) -> _Code:
        """Return the code of an alphabet of that size, which is next."""
        if not self.read(1):
            return _code_of(self._lengths(size))
        count, is_long = self.read(1) + 1, self.read(1)
        symbols = [self.read(8 if is_long else 1), *(self.read(8) for _ in range(count - 1))]
        return _code_of([int(symbol in symbols) for symbol in range(size)])

    def _lengths(self, size: int) -> list[int]:
        """Return the length of the code of each symbol."""
        written = {symbol: self.read(3) for symbol in LENGTH_ORDER[: 4 + self.read(4)]}
        code = _code_of([written.get(symbol, 0) for symbol in range(len(LENGTH_ORDER))])
        most = 2 + self.read(2 + 2 * self.read(3)) if self.read(1) else size
        lengths: list[int] = []
        last = FIRST_LENGTH
        for _ in range(most):
            if len(lengths) >= size:
                break
            symbol = self._symbol(code)
            if symbol < REPEAT_LAST:
                lengths.append(symbol)
                last = symbol or last
            else:
                bits, least = REPEATS[symbol]
                lengths += [last if symbol == REPEAT_LAST else 0] * (least + self.read(bits))
        if len(lengths) > size:
            raise ValueError(f"expected {size} lengths of codes, got {len(lengths)}")
        return lengths + [0] * (size - len(lengths))


def _code_of(lengths: Sequence[int]) -> _Code:
    """Return the canonical code with these lengths; raises ValueError if it is not complete.

    The only symbol of an alphabet needs no bits.
    """
    used = sorted((length, symbol) for symbol, length in enumerate(lengths) if length)
    if len(used) == 1:
        return _Code(0, [used[0][1] << 4])
    bits = used[-1][0] if used else 0
    table, code, last = [0] * (1 << bits), 0, 0
    for length, symbol in used:
        code <<= length - last
        last = length
        if code >> length:
            break
        start = int(f"{code:0{length}b}"[::-1], 2)
        table[start :: 1 << length] = [symbol << 4 | length] * (1 << bits - length)
        code += 1
    if not used or code != 1 << bits:
        raise ValueError("expected a complete code")
    return _Code(bits, table)
