"""Memory that frames have left behind goes back to the system."""

import asyncio
import ctypes
from contextlib import suppress

TRIM_S = 10.0

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""Of glibc's malloc.h."""
ARENAS = 1
LARGE_BYTES = 128 << 10
"""What the C library itself begins with."""


def keep_memory_compact() -> None:
    """Have the C library use one heap, and give large blocks memory of their own; where it cannot, do nothing.

    Pictures come in all sizes. In heaps, of which glibc otherwise makes one for nearly every thread, they leave holes
    that small blocks then move into; and a block that was large once makes glibc keep all later ones of its size in the
    heap. To be called before there are threads. docs/reliability.md tells how much memory that saves.
    """
    with suppress(AttributeError):  # another C library
        set_option = ctypes.CDLL(None).mallopt
        for option, value in ((M_ARENA_MAX, ARENAS), (M_MMAP_THRESHOLD, LARGE_BYTES), (M_TRIM_THRESHOLD, LARGE_BYTES)):
            set_option(option, value)


async def give_back_memory() -> None:
    """Have the C library return what is free of its heap, now and again; where it cannot, do nothing.

    By itself glibc gives back only what is free at the heap's end.
    """
    with suppress(AttributeError):  # another C library
        trim = ctypes.CDLL(None).malloc_trim
        while True:
            await asyncio.sleep(TRIM_S)
            await asyncio.to_thread(trim, 0)
