"""The errors of the models floor.

ModelsError
├── ModelConfigError      a model folder cannot be served (found when it is loaded)
├── ModelNotFoundError    no model of that name is served
├── UnknownLabelError     a filter names a label that the model does not have
├── InferenceError        the model failed on a frame
└── UnavailableError      come back later
    ├── NotReadyError     the models are still being loaded and warmed up
    └── OverloadedError   there is no lane, no place in the queue, or no memory left

Each message is one sentence for a human operator; it never quotes a request. Only ModelConfigError, which nobody but
the operator of the server sees, may quote a foreign exception.
"""


class ModelsError(Exception):
    """Base of everything the models floor raises on purpose."""


class ModelConfigError(ModelsError):
    """A model folder cannot be served; the message, one line, names the file, the key and the remedy."""

    def __init__(self, message: str) -> None:
        """Take the sentence; line breaks, which foreign exceptions may bring along, become blanks."""
        super().__init__(" ".join(message.split()))


class ModelNotFoundError(ModelsError):
    """No model of that name is served."""


class UnknownLabelError(ModelsError):
    """A filter names a label that the model does not have."""


class InferenceError(ModelsError):
    """The model failed on a frame: the fault is the server's, not the caller's."""


class UnavailableError(ModelsError):
    """The frame was refused for now; the same request may succeed after `retry_after_s` seconds."""

    def __init__(self, message: str, retry_after_s: int = 1) -> None:
        """Take the sentence and the seconds to wait, at least 1."""
        super().__init__(message)
        self.retry_after_s = retry_after_s


class NotReadyError(UnavailableError):
    """The models are still being loaded and warmed up."""


class OverloadedError(UnavailableError):
    """There is no lane, no place in the queue, or no memory left for one more frame."""
