"""The errors of the package models.

FrameError                    also the base of the edge's errors
└── ModelsError
    ├── ModelConfigError      a model folder cannot be served (found when it is loaded)
    ├── PullError             a model of the catalogue does not get into the repository
    ├── ModelNotFoundError    no model of that name is served
    ├── ModelRejectedError    a new version cannot be served; the version before it stays in service
    ├── UnknownLabelError     a filter names a label that the model does not have
    ├── InferenceError        the model failed on a frame
    └── UnavailableError      refused for now; the client may try again later
        ├── NotReadyError     the models are still being loaded and warmed up
        ├── DrainingError     the service is shutting down
        ├── OverloadedError   no lane, no place in the queue or no memory is free, or none became free in time
        ├── LaneLostError     the process that worked on the frame ended
        └── InferenceTimeoutError  the frame took too long and was stopped

Each message is one sentence for a person. It is sent to clients, and never quotes a request. Only ModelConfigError
and PullError, which are for the operator of the server, may quote the message of a library.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, Self, TypeAlias, TypeVar, get_args

ShedReason: TypeAlias = Literal[
    "not_ready",
    "draining",
    "queue_full",
    "queue_timeout",
    "bytes_in_flight",
    "inference_timeout",
    "lane_lost",
    "memory",
]
"""Why a frame was refused for now."""

MAX_MESSAGE_LENGTH = 2000

RESTART_S = 3
"""How long a restarted service needs until it is ready."""

TOO_LITTLE_MEMORY = "Too little memory is free for this frame; send it again a little later, or a smaller one."

SHED_REASONS: tuple[ShedReason, ...] = get_args(ShedReason)


class FrameError(Exception):
    """Base of everything that is raised on purpose while frames are answered.

    `stages_ms`: stage → wall time in milliseconds, of the stages that the frame went through on its lane, the one that
    failed included; empty if it did not get there.
    """

    stages_ms: Mapping[str, float] = MappingProxyType({})

    def twin(self) -> Self:
        """Return an equal error, for another frame that failed for the same cause."""
        return _rebuilt(type(self), self.args, self.__dict__, self.__cause__)

    def __reduce__(self) -> tuple[Any, ...]:
        """Describe how to make this error anew, in this process or in another one."""
        return _rebuilt, (type(self), self.args, self.__dict__, self.__cause__)


E = TypeVar("E", bound=FrameError)


def _rebuilt(kind: type[E], arguments: tuple[Any, ...], state: Mapping[str, Any], cause: BaseException | None) -> E:
    """Return an error with that content. Its constructor is not called: it may take other arguments."""
    error = kind.__new__(kind, *arguments)
    error.__dict__.update(state)
    error.__cause__ = cause
    return error


class ModelsError(FrameError):
    """Base of all errors that the package models raises on purpose."""


class ModelConfigError(ModelsError):
    """A model folder cannot be served. The message names the file, the key and the remedy.

    The message becomes one line of text, whatever messages of libraries and names of files contain: line breaks become
    blanks, bytes that are not UTF-8 are escaped, and what is too long is cut off.
    """

    def __init__(self, message: str) -> None:
        super().__init__(_one_line(message))


class PullError(ModelsError):
    """A model of the catalogue does not get into the repository. The message, one line of text, says what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(_one_line(message))


def _one_line(message: str) -> str:
    line = " ".join(message.split()).encode(errors="backslashreplace").decode()
    return line if len(line) <= MAX_MESSAGE_LENGTH else f"{line[:MAX_MESSAGE_LENGTH]}..."


class ModelNotFoundError(ModelsError):
    """No model of that name is served."""


class ModelRejectedError(ModelsError):
    """A new version cannot be served. The message, for clients that may reload models, quotes the ModelConfigError."""


class UnknownLabelError(ModelsError):
    """A filter names a label that the model does not have."""


class InferenceError(ModelsError):
    """The model failed on a frame: the fault is the server's, not the client's."""


class UnavailableError(ModelsError):
    """The frame was refused for now; the same request may succeed after `retry_after_s` seconds, at least 1.

    `reason`: why, one of a fixed list, for the metrics.
    """

    def __init__(self, message: str, reason: ShedReason, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry_after_s = retry_after_s


class NotReadyError(UnavailableError):
    """The models are still being loaded and warmed up, or one of them cannot be loaded."""

    def __init__(
        self, message: str = "The models are still being loaded; send the frame again a little later."
    ) -> None:
        super().__init__(message, "not_ready")


class DrainingError(UnavailableError):
    """The service is shutting down. Frames that it has accepted are still answered."""

    def __init__(self) -> None:
        super().__init__("The service is shutting down; send the frame again when it is back.", "draining", RESTART_S)


class OverloadedError(UnavailableError):
    """No lane, no place in the queue or no memory is free for one more frame, or none became free in time."""


class LaneLostError(UnavailableError):
    """The process that worked on the frame ended: a codec or a model crashed, or the process was killed."""

    def __init__(self) -> None:
        super().__init__("The process that worked on this frame ended; another frame may succeed.", "lane_lost")


class InferenceTimeoutError(UnavailableError):
    """The frame took longer than `limit_s` seconds and was stopped."""

    def __init__(self, limit_s: float) -> None:
        super().__init__(
            f"This frame was stopped after {limit_s:g} s; another frame may succeed.",
            "inference_timeout",
        )
