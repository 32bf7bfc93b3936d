"""The errors of the edge.

FrameError (models/errors.py)
└── EdgeError
    ├── UndecodableFrameError            the body is not a picture, or a damaged one
    ├── RawFrameError                    a raw frame's layout is unknown, or does not fit the body's length
    ├── TooManyPixelsError               the picture's header declares more pixels than the limit
    ├── BodyTooLargeError                the body has more bytes than the limit
    ├── BodyTimeoutError                 the body did not arrive in time
    ├── InvalidParameterError            a query parameter, header or form field breaks the contract
    ├── MalformedContentTypeError        the Content-Type is not type/subtype
    ├── UnsupportedMediaTypeError        neither the Content-Type nor the bytes are those of a frame
    ├── UnsupportedContentEncodingError  the body is compressed
    ├── UnknownStreamError               no stream of that name is live
    ├── NoStreamSettingsError            a stream has no settings
    ├── InvalidStreamSettingsError       settings of a stream break the contract
    ├── StreamSettingsLockedError        settings of streams cannot be changed
    ├── TooManyViewersError              the maximum number of viewers is reached
    ├── UnauthorizedError                no credential, or a wrong one
    ├── UnknownHostError                a browser asks under a name that may not be the service's own
    ├── ForeignOriginError              a page of another origin posts
    ├── ForbiddenError                   the credential is known, but lacks the permission
    └── TooManyFailuresError             too many recent logins failed

ConfigurationError                   the settings are wrong; the service does not start

Each message is one sentence for the operator of a camera. It never quotes a request or a foreign exception.
"""

from models.errors import FrameError


class EdgeError(FrameError):
    """Base of every error that the edge raises on purpose while it serves."""


class UndecodableFrameError(EdgeError):
    """The body is not a picture, or a damaged one."""


class RawFrameError(EdgeError):
    """A raw frame's layout is unknown, or does not fit the body's length."""


class TooManyPixelsError(EdgeError):
    """The picture's header declares more pixels than the limit."""


class BodyTooLargeError(EdgeError):
    """The body has more bytes than the limit."""


class BodyTimeoutError(EdgeError):
    """The body did not arrive in time. `least_rate`: what it should have kept up, for people."""

    def __init__(self, least_rate: str) -> None:
        super().__init__(
            f"The body arrived more slowly than {least_rate}; check the network between camera and server, "
            "send smaller frames, or lower FRAMEHOOK_MIN_BODY_BYTES_PER_S."
        )


class InvalidParameterError(EdgeError):
    """A query parameter, a header or a form field breaks the contract."""


class MalformedContentTypeError(EdgeError):
    """The Content-Type is not type/subtype."""


class UnsupportedMediaTypeError(EdgeError):
    """Neither the Content-Type nor the bytes are those of a frame."""


class UnsupportedContentEncodingError(EdgeError):
    """The body is compressed."""


class UnknownStreamError(EdgeError):
    """No stream of that name is live."""

    def __init__(self) -> None:
        super().__init__(
            "No stream of that name is live; post a frame with ?stream= and that name. /streams lists all streams."
        )


class NoStreamSettingsError(EdgeError):
    """A stream has no settings; or none of its own, where those were to be removed."""

    def __init__(self) -> None:
        super().__init__("The stream has no settings of its own; PUT to this path sets them.")


class InvalidStreamSettingsError(EdgeError):
    """Settings of a stream break the contract, or no stream can have that name."""


class StreamSettingsLockedError(EdgeError):
    """Settings of streams cannot be changed: there is no folder for them, it is full, or nobody may write to it."""


class TooManyViewersError(EdgeError):
    """The maximum number of viewers is reached."""

    retry_after_s = 5

    def __init__(self) -> None:
        super().__init__("The maximum number of viewers is reached; try again later, or raise FRAMEHOOK_MAX_VIEWERS.")


class UnauthorizedError(EdgeError):
    """No credential, or a wrong one. The message does not say what was wrong with it.

    `is_stale`: the credential is right, but its Digest nonce is not; the client must send it again with another nonce.
    """

    def __init__(self, *, is_stale: bool = False) -> None:
        super().__init__("Send a known credential; the header WWW-Authenticate lists the accepted schemes.")
        self.is_stale = is_stale


class UnknownHostError(EdgeError):
    """A browser asks under a name that may not be the service's own."""

    def __init__(self) -> None:
        super().__init__(
            "The name in the header Host may not be this service's own; if it is, add it to FRAMEHOOK_ALLOWED_HOSTS."
        )


class ForeignOriginError(EdgeError):
    """A page of another origin posts."""

    def __init__(self) -> None:
        super().__init__(
            "A page of another origin sent this request; if it may, add its origin to FRAMEHOOK_ALLOWED_ORIGINS."
        )


class ForbiddenError(EdgeError):
    """The credential is known, but lacks the permission."""


class TooManyFailuresError(EdgeError):
    """Too many recent logins failed, or too many passwords wait to be checked. `retry_after_s`: how long to wait."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__("Too many wrong passwords came from your address for this user; wait before you try again.")
        self.retry_after_s = retry_after_s


class ConfigurationError(Exception):
    """The settings are wrong; the service does not start."""
