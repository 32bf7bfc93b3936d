"""What the commands that run models without a server share."""

import errno
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from handlers.dataplane import DataPlane
from handlers.errors import BodyTooLargeError, ConfigurationError
from handlers.server.parts import create_dataplane
from handlers.server.settings import Settings

PATIENCE_S = 1e6
"""How long a frame may wait for the one before it: nobody else waits."""


@contextmanager
def own_dataplane(settings: Settings) -> Iterator[DataPlane]:
    """Yield a data plane whose engine is closed at the end of the `with` block.

    From here on Ctrl-C ends the process at once. A KeyboardInterrupt could be raised while a lock is being acquired;
    the lock would stay acquired, and the lanes would wait for it for ever.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    alone = {"isolation": "thread", "queue_timeout_s": PATIENCE_S}  # the pictures are the user's own
    dataplane = create_dataplane(settings.model_copy(update=alone))
    with closing(dataplane):
        yield dataplane


def refuse_irregular(path: Path) -> None:
    """Raise OSError for what is no regular file: reading a pipe would block."""
    if not path.is_file():
        raise FileNotFoundError(errno.ENOENT, "no such file, or not a regular one")


def read_picture(path: Path, max_bytes: int) -> bytes:
    """Return the bytes of a regular file. Raises OSError, and BodyTooLargeError for more than `max_bytes`."""
    refuse_irregular(path)
    if path.stat().st_size > max_bytes:
        raise BodyTooLargeError(
            f"The file is larger than the limit of {max_bytes} bytes; FRAMEHOOK_MAX_BODY_BYTES raises it."
        )
    return path.read_bytes()


def read_named_picture(path: Path, max_bytes: int) -> bytes:
    """Return the bytes of a picture that an option names. Raises ConfigurationError and BodyTooLargeError."""
    try:
        return read_picture(path, max_bytes)
    except OSError as error:
        raise ConfigurationError(f"The picture {path} cannot be read: {error.strerror}.") from error
