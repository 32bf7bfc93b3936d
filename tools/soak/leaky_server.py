"""The service with a leak, so that the soak can show that it finds one: python -m tools.soak.leaky_server serve ...

Keeps sixteen kilobytes of every answer for ever.
"""

import sys
from collections.abc import Collection

from handlers.encoding import metadata
from handlers.server.commands.cli import main
from models.results import Results

LEAK_BYTES = 16 * 1024


def leak() -> None:
    """Have every answer leave something behind."""
    kept: list[bytearray] = []
    encode = metadata.encode

    def encode_and_keep(results: Results, types: Collection[str] = (), subtype: str | None = None) -> bytes:
        kept.append(bytearray(b"x" * LEAK_BYTES))
        return encode(results, types, subtype)

    metadata.encode = encode_and_keep


if __name__ == "__main__":
    leak()
    sys.exit(main())
