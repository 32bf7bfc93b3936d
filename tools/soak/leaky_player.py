"""The player with a leak, to show that the soak finds one: python -m tools.soak.leaky_player play ...

Keeps every packet that it has read.
"""

import sys
from collections.abc import Iterator

from handlers.server.commands.cli import main
from player.flow import Packet
from player.media.reading import Reader


def leak() -> None:
    """Make every packet leave itself in memory."""
    kept: list[Packet] = []
    read = Reader.__iter__

    def read_and_keep(reader: Reader) -> Iterator[Packet]:
        for packet in read(reader):
            kept.append(packet)
            yield packet

    Reader.__iter__ = read_and_keep  # type: ignore[method-assign]


if __name__ == "__main__":
    leak()
    sys.exit(main())
