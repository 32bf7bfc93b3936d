"""Memory that frames have left behind goes back to the system."""

import asyncio
import ctypes
from contextlib import suppress

TRIM_S = 10.0

M_ARENA_MAX = -8
"""Of glibc's malloc.h."""


def keep_one_heap() -> None:
    """Have the C library use one heap for all threads; where it cannot, do nothing.

    glibc otherwise makes one for nearly every thread. Pictures of all sizes leave holes in each, which small blocks
    then move into, and what one has free the others cannot use. To be called before there are threads.
    docs/maintainers/reliability.md tells what that saves.
    """
    with suppress(AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


async def give_back_memory() -> None:
    """Have the C library return what is free of its heap, now and again; where it cannot, do nothing.

    By itself glibc gives back only what is free at the heap's end.
    """
    with suppress(AttributeError):  # another C library
        trim = ctypes.CDLL(None).malloc_trim
        while True:
            await asyncio.sleep(TRIM_S)
            await asyncio.to_thread(trim, 0)
