"""A check, what it finds, and where the protocol says what it asks."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from conformance.subject import Subject


class Verdict(StrEnum):
    """What a check comes to."""

    PASS = "pass"  # noqa: S105  # no password
    FAIL = "fail"
    WARN = "warn"
    NOT_ASKED = "not asked"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True, slots=True)
class Source:
    """Where it is said. `binds`: whether the protocol says it; what it does not say is never a failure."""

    text: str
    binds: bool = True


PAGE = Source("HTTP extension protocol, Live Video Analytics")
SCHEMA = Source("Inference metadata schema, Azure Video Analyzer")
TOPOLOGIES = Source("Sample topologies of Live Video Analytics")
DECIDED = Source("Not in the protocol; what framehook decided", binds=False)


def rfc(number: int, section: str) -> Source:
    """Return a section of a standard that the protocol rests on."""
    return Source(f"RFC {number}, section {section}")


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found. `detail`: what came, in a few words or one sentence."""

    verdict: Verdict
    detail: str = ""


def passed(detail: str = "") -> Finding:
    """Return that the server does it."""
    return Finding(Verdict.PASS, detail)


def wrong(detail: str) -> Finding:
    """Return that the server does not do it; a warning if the protocol does not ask for it."""
    return Finding(Verdict.FAIL, detail)


def doubtful(detail: str) -> Finding:
    """Return that the server may do it, but that users will stumble."""
    return Finding(Verdict.WARN, detail)


def not_asked(detail: str) -> Finding:
    """Return that it was not asked."""
    return Finding(Verdict.NOT_ASKED, detail)


def cannot_tell(detail: str) -> Finding:
    """Return that the answers do not show it."""
    return Finding(Verdict.CANNOT_TELL, detail)


@dataclass(frozen=True, slots=True)
class Check:
    """One question to a server.

    `id`: GROUP.NAME. `sentence`: what is right. `why`: what goes wrong otherwise. `ask`: raises NoAnswerError, which
    means that the server does not do it. `after`: ids of checks without which this one shows nothing. `is_hostile`: ask
    only if the user has asked for it, since no well-meaning client does so.
    """

    id: str
    sentence: str
    why: str
    source: Source
    ask: Callable[[Subject], Finding]
    after: tuple[str, ...] = ("requests.jpeg",)
    is_hostile: bool = False

    @property
    def group(self) -> str:
        """Return the group's name."""
        return self.id.partition(".")[0]
