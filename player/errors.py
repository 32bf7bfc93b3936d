"""What can go wrong in the player.

PlayerError
├── TopologyError          a topology, or a list of pipelines, that cannot be run
│   └── MissingValueError      a parameter of it has no value
├── SourceError            a camera or file that cannot be read, or not any longer
│   ├── SourceRefusedError     it answered, and refused: wrong credentials, no such stream
│   └── UnsupportedMediaError  it sends what cannot be decoded
├── ClipError              a clip that cannot be written
├── ExtensionError         an extension server that gave no usable answer
│   ├── ExtensionBusyError     503: to be asked again later
│   └── ExtensionRefusedError  any other status than 200 and 204
└── DeliveryError          an event that its receiver does not take
"""


class PlayerError(Exception):
    """The base of the player's errors; the message is a sentence for people and holds no password."""


class TopologyError(PlayerError):
    """A topology, or a list of pipelines, cannot be run; the message names the file, the place and the remedy."""


class MissingValueError(TopologyError):
    """A parameter of a topology has no value."""


class SourceError(PlayerError):
    """A source cannot be read: it is not there, does not answer, or ended too early."""


class SourceRefusedError(SourceError):
    """A source answered, and refused. `code`: its status, such as 401."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class UnsupportedMediaError(SourceError):
    """A source sends no video, or video that cannot be decoded."""


class ClipError(PlayerError):
    """A clip cannot be written."""


class ExtensionError(PlayerError):
    """An extension server did not answer, or not as the protocol says."""


class ExtensionBusyError(ExtensionError):
    """An extension server is busy. `retry_after_s`: how long it wants to be left alone."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ExtensionRefusedError(ExtensionError):
    """An extension server refused a frame. `status`: of HTTP; `text`: the beginning of what it said."""

    def __init__(self, message: str, status: int, text: str) -> None:
        super().__init__(message)
        self.status, self.text = status, text


class DeliveryError(PlayerError):
    """A receiver does not take an event. `is_final`: trying again cannot help."""

    def __init__(self, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.is_final = is_final
