"""Memory that a worker process shares with the service: the body of the frame that it works on."""

import mmap
import os

GROWTH_BYTES = 1 << 20
"""The memory grows in steps of this."""
KEPT_BYTES = 4 << 20
"""The memory of a larger body is given back to the system once its frame is answered."""


class SharedBody:
    """Anonymous memory of any size, mapped by two processes; one writes, the other reads.

    `file`: the descriptor of the memory in the process that reads; by default the memory is created.
    """

    def __init__(self, file: int | None = None) -> None:
        self.file = os.memfd_create("framehook-body") if file is None else file
        self._mapped: mmap.mmap | None = None

    def write(self, body: bytes | memoryview) -> None:
        """Copy a body into the memory."""
        if len(body) > self._size_bytes:
            os.ftruncate(self.file, -(-len(body) // GROWTH_BYTES) * GROWTH_BYTES)
            self._mapped = None
        if body:
            self._map()[: len(body)] = body

    def read(self, size_bytes: int) -> memoryview:
        """Return the first bytes of the memory, not copied; they change when the next body is written."""
        if size_bytes > self._size_bytes:
            self._mapped = None
        return memoryview(self._map())[:size_bytes].toreadonly() if size_bytes else memoryview(b"")

    def release(self, size_bytes: int) -> None:
        """Give the memory of a large body back to the system."""
        if size_bytes > KEPT_BYTES:
            self._map().madvise(mmap.MADV_REMOVE)

    def close(self) -> None:
        """Close the memory in this process."""
        self._mapped = None
        os.close(self.file)

    @property
    def _size_bytes(self) -> int:
        return len(self._mapped) if self._mapped else 0

    def _map(self) -> mmap.mmap:
        if self._mapped is None:
            self._mapped = mmap.mmap(self.file, 0)
        return self._mapped
