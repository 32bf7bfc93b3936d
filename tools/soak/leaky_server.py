"""The service with a leak, to show that the soak finds one: python -m tools.soak.leaky_server serve ...

Keeps sixteen kilobytes per answer forever.
"""

import sys
from typing import Any

from handlers.encoding import metadata
from handlers.server.commands.cli import main

LEAK_BYTES = 16 * 1024


def leak() -> None:
    """Make every answer leave something in memory."""
    kept: list[bytearray] = []
    encode = metadata.encode

    def encode_and_keep(*arguments: Any, **options: Any) -> bytes:
        kept.append(bytearray(b"x" * LEAK_BYTES))
        return encode(*arguments, **options)

    metadata.encode = encode_and_keep


if __name__ == "__main__":
    leak()
    sys.exit(main())
