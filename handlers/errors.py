"""The errors of the edge.

EdgeError
├── UndecodableFrameError            the body is no picture, or a damaged one
├── RawFrameError                    a raw frame's layout is not known, or its length is another
├── TooManyPixelsError               the picture's header promises more pixels than the limit
├── BodyTooLargeError                the body has more bytes than the limit
├── BodyTimeoutError                 the body did not arrive in time
├── InvalidParameterError            a query parameter is not as the contract says
├── MalformedContentTypeError        the Content-Type is not type/subtype
├── UnsupportedContentEncodingError  the body is compressed
├── UnknownStreamError               no stream of that name is live
├── TooManyViewersError              as many watch as may
├── UnauthorizedError                no credential, or a wrong one
├── ForbiddenError                   the credential is known, and not allowed to do this
└── TooManyFailuresError             too many wrong passwords came of late

ConfigurationError                   the settings are wrong; the service does not start

Each message is one sentence for the operator of a camera; it never quotes a request or a foreign exception.
"""


class EdgeError(Exception):
    """Base of everything the edge raises on purpose while it serves."""


class UndecodableFrameError(EdgeError):
    """The body is no picture, or a damaged one."""


class RawFrameError(EdgeError):
    """A raw frame's layout is not known, or its length is another."""


class TooManyPixelsError(EdgeError):
    """The picture's header promises more pixels than the limit."""


class BodyTooLargeError(EdgeError):
    """The body has more bytes than the limit."""


class BodyTimeoutError(EdgeError):
    """The body did not arrive in time."""


class InvalidParameterError(EdgeError):
    """A query parameter is not as the contract says."""


class MalformedContentTypeError(EdgeError):
    """The Content-Type is not type/subtype."""


class UnsupportedContentEncodingError(EdgeError):
    """The body is compressed."""


class UnknownStreamError(EdgeError):
    """No stream of that name is live."""

    def __init__(self) -> None:
        """Say so."""
        super().__init__(
            "No stream of that name is live; post a frame with ?stream= and that name. /streams lists those that are."
        )


class TooManyViewersError(EdgeError):
    """As many watch as may."""

    retry_after_s = 5

    def __init__(self) -> None:
        """Say so."""
        super().__init__(
            "As many watch as may at once; try again a little later, or have FRAMEHOOK_MAX_VIEWERS raised."
        )


class UnauthorizedError(EdgeError):
    """No credential, or a wrong one; `is_stale`: a right one that must be sent anew, with another nonce."""

    def __init__(self, *, is_stale: bool = False) -> None:
        """Tell the ways to send one, and nothing of what was wrong."""
        super().__init__("Send a credential that is known here; the header WWW-Authenticate names the ways.")
        self.is_stale = is_stale


class ForbiddenError(EdgeError):
    """The credential is known, and not allowed to do this."""


class TooManyFailuresError(EdgeError):
    """Too many wrong passwords came of late, or too many wait to be looked at."""

    def __init__(self, retry_after_s: int) -> None:
        """Take how long to wait."""
        super().__init__("Too many wrong passwords came from your address for this user; wait before the next try.")
        self.retry_after_s = retry_after_s


class ConfigurationError(Exception):
    """The settings are wrong; the service does not start."""
