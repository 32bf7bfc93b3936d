"""The errors of the models floor.

ModelsError
├── ModelConfigError      a model folder cannot be served (found when it is loaded)
├── ModelNotFoundError    no model of that name is served
├── ModelRejectedError    a candidate cannot take over; what was served before serves on
├── UnknownLabelError     a filter names a label that the model does not have
├── InferenceError        the model failed on a frame
└── UnavailableError      come back later
    ├── NotReadyError     the models are still being loaded and warmed up
    ├── DrainingError     the service is about to end
    ├── OverloadedError   there is no lane, no place in the queue, or no memory left, or there was none in time
    └── InferenceTimeoutError  the model took too long over the frame and was stopped

Each message is one sentence for a human operator; it never quotes a request. Only ModelConfigError, which is meant for
the operator of the server, may quote a foreign exception.
"""

from typing import Literal, TypeAlias, get_args

ShedReason: TypeAlias = Literal[
    "not_ready", "draining", "queue_full", "queue_timeout", "bytes_in_flight", "inference_timeout"
]
"""Why a frame was refused for now."""

RESTART_S = 3
"""What a service that is started anew takes to be ready."""

SHED_REASONS: tuple[ShedReason, ...] = get_args(ShedReason)


class ModelsError(Exception):
    """Base of everything the models floor raises on purpose."""


class ModelConfigError(ModelsError):
    """A model folder cannot be served; the message, one line, names the file, the key and the remedy."""

    def __init__(self, message: str) -> None:
        """Take the sentence; line breaks, which foreign exceptions may bring along, become blanks."""
        super().__init__(" ".join(message.split()))


class ModelNotFoundError(ModelsError):
    """No model of that name is served."""


class ModelRejectedError(ModelsError):
    """A candidate cannot take over; the message, for whoever may reload models, quotes the ModelConfigError."""


class UnknownLabelError(ModelsError):
    """A filter names a label that the model does not have."""


class InferenceError(ModelsError):
    """The model failed on a frame: the fault is the server's, not the caller's."""


class UnavailableError(ModelsError):
    """The frame was refused for now; the same request may succeed after `retry_after_s` seconds.

    `reason`: why, in one word of a fixed list, for those who count.
    """

    def __init__(self, message: str, reason: ShedReason, retry_after_s: int = 1) -> None:
        """Take the sentence, the reason, and the seconds to wait, at least 1."""
        super().__init__(message)
        self.reason = reason
        self.retry_after_s = retry_after_s


class NotReadyError(UnavailableError):
    """The models are still being loaded and warmed up, or one of them cannot be."""

    def __init__(
        self, message: str = "The models are still being loaded; send the frame again a little later."
    ) -> None:
        """Take the sentence."""
        super().__init__(message, "not_ready")


class DrainingError(UnavailableError):
    """The service is about to end; what it has taken in is still answered."""

    def __init__(self) -> None:
        """Say so."""
        super().__init__("The service is shutting down; send the frame again when it is back.", "draining", RESTART_S)


class OverloadedError(UnavailableError):
    """There is no lane, no place in the queue, or no memory left for one more frame, or there was none in time."""


class InferenceTimeoutError(UnavailableError):
    """The model took too long over the frame and was stopped."""

    def __init__(self, limit_s: float) -> None:
        """Take how long the model may take."""
        super().__init__(
            f"The model was stopped after {limit_s:g} s on this frame; another frame may fare better.",
            "inference_timeout",
        )
