"""Memory that frames have left behind goes back to the system."""

import asyncio
import ctypes
from contextlib import suppress

TRIM_S = 10.0


async def give_back_memory() -> None:
    """Have the C library return what is free of its heaps, now and again; where it cannot, do nothing.

    Pictures of all sizes leave holes in the heaps of several threads, and glibc by itself gives back only what is free
    at their ends. docs/reliability.md tells how much memory is held all the same.
    """
    with suppress(AttributeError):  # another C library
        trim = ctypes.CDLL(None).malloc_trim
        while True:
            await asyncio.sleep(TRIM_S)
            await asyncio.to_thread(trim, 0)
