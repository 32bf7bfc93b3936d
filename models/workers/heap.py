"""The heap of the C library. Does nothing where the library has no such options."""

import ctypes
from contextlib import suppress

TRIM_S = 10.0
"""How often free memory is returned."""
M_ARENA_MAX = -8
"""Of glibc's malloc.h."""


def keep_one() -> None:
    """Make the C library use one heap for all threads.

    By default glibc makes a heap for nearly every thread. Pictures of many sizes leave holes in each heap, and one
    thread cannot use the free memory of another. Call this before any thread is started. Measurements:
    docs/maintainers/reliability.md.
    """
    with suppress(AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


def trim() -> None:
    """Return the free memory of the heap to the system; by itself glibc only returns that at the end of the heap."""
    with suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
