"""Returns the memory of finished frames to the operating system."""

import asyncio
import ctypes
from contextlib import suppress

TRIM_S = 10.0

M_ARENA_MAX = -8
"""Of glibc's malloc.h."""


def keep_one_heap() -> None:
    """Make the C library use one heap for all threads. Does nothing where the library has no such option.

    By default glibc makes a heap for nearly every thread. Pictures of many sizes leave holes in each heap, and one
    thread cannot use the free memory of another. Call this before any thread is started. Measurements:
    docs/maintainers/reliability.md.
    """
    with suppress(AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


async def give_back_memory() -> None:
    """Return the free memory of the heap to the system, every TRIM_S seconds. Does nothing without glibc.

    By itself glibc only returns free memory at the end of the heap.
    """
    with suppress(AttributeError):  # another C library
        trim = ctypes.CDLL(None).malloc_trim
        while True:
            await asyncio.sleep(TRIM_S)
            await asyncio.to_thread(trim, 0)
