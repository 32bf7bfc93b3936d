"""What can go wrong when a server is asked.

ConformanceError
├── AddressError      the URL cannot be asked, or must be allowed first
├── NoAnswerError     the server gave no valid answer
│   └── TooSlowError  it gave none in time
└── ExhaustedError    as many requests were sent, or as much time passed, as was allowed
"""


class ConformanceError(Exception):
    """An error whose text is one sentence for the user."""


class AddressError(ConformanceError):
    """The URL cannot be asked, or must be allowed first."""


class NoAnswerError(ConformanceError):
    """The server gave no valid answer."""


class TooSlowError(NoAnswerError):
    """The server gave no whole answer in time."""


class ExhaustedError(ConformanceError):
    """As many requests were sent, or as much time passed, as was allowed."""
