"""Who may post frames: how a server asks for credentials, and which it takes."""

import re
import secrets
from dataclasses import replace
from http import HTTPStatus
from typing import cast

from conformance.asking.credentials import Credentials, OneHeader, Password, challenges, schemes
from conformance.asking.messages import Answer, Headers
from conformance.subject import Subject
from conformance.verdicts import (
    DECIDED,
    PAGE,
    TOPOLOGIES,
    Check,
    Finding,
    cannot_tell,
    doubtful,
    not_asked,
    passed,
    rfc,
    wrong,
)

DUMMY = Password("user", "not-a-password")
"""The sample topologies always send a user name and a password, which users seldom fill in."""
_SCHEME = re.compile(r"[!#$%&'*+.^_`|~\w-]+(\s|$)", re.ASCII)
_ALGORITHM = re.compile(r'algorithm\s*=\s*"?([\w-]+)', re.IGNORECASE)


def _ask_ignored(subject: Subject) -> Finding:
    if subject.has_credentials:
        return not_asked("credentials were given")
    answer = subject.server.ask(subject.request, DUMMY)
    return passed(answer.summary) if answer.is_good else wrong(f"with credentials it is answered {answer.summary}")


def _ask_required(subject: Subject) -> Finding:
    if not subject.has_credentials:
        return not_asked("no credentials were given")
    return _refused(subject.bare, "without credentials")


def _ask_challenge(subject: Subject) -> Finding:
    if missing := _without_challenge(subject):
        return missing
    offered = challenges(subject.bare)
    if not offered:
        return wrong("401 has no WWW-Authenticate")
    strange = [each for each in offered if not _SCHEME.match(each)]
    if strange:
        return wrong(f"WWW-Authenticate names no scheme: {strange[0][:60]!r}")
    return passed(", ".join(sorted(schemes(subject.bare))))


def _ask_basic(subject: Subject) -> Finding:
    if missing := _without_challenge(subject, "basic"):
        return missing
    basic = _password(subject).basic()
    first = subject.server.ask_once(subject.request, basic)
    if not first.is_good:
        return wrong(f"before any challenge it is answered {first.summary}")
    second = _after_challenge(subject, basic)
    return passed("at once and after 401") if second.is_good else wrong(f"after 401 it is answered {second.summary}")


def _ask_digest(subject: Subject) -> Finding:
    if missing := _without_challenge(subject, "digest"):
        return missing
    algorithms = _algorithms(subject.bare)
    given = _digest(subject)
    if not given:
        return cannot_tell(f"the kit cannot answer such a challenge ({algorithms})")
    answer = subject.server.ask_once(subject.request, given)
    return passed(algorithms) if answer.is_good else wrong(f"the answer to the challenge is answered {answer.summary}")


def _ask_replay(subject: Subject) -> Finding:
    if missing := _without_challenge(subject, "digest"):
        return missing
    given = _digest(subject)
    if not given or not subject.server.ask_once(subject.request, given).is_good:
        return cannot_tell("the first answer to the challenge was not taken")
    return _refused(subject.server.ask_once(subject.request, given), "the second time")


def _ask_header(subject: Subject) -> Finding:
    credentials = subject.server.credentials
    if not isinstance(credentials, OneHeader):
        return not_asked("no header was given")
    scheme, space, rest = credentials.value.partition(" ")
    written = credentials.value
    if space and credentials.name.lower() == "authorization":
        written = f"{scheme.swapcase()} {rest}"
    answer = subject.server.ask_once(subject.request, ((credentials.name.swapcase(), written),))
    return passed(answer.summary) if answer.is_good else wrong(f"in other letters it is answered {answer.summary}")


def _ask_wrong(subject: Subject) -> Finding:
    if not subject.has_credentials:
        return not_asked("no credentials were given")
    if subject.bare.is_good:
        return cannot_tell("frames without credentials are answered")
    answer = subject.server.ask_once(subject.request, _guess(subject))
    return _refused(answer, "with wrong credentials")


def _refused(answer: Answer, when: str) -> Finding:
    """Judge an answer that has to be 401."""
    if answer.status == HTTPStatus.UNAUTHORIZED:
        return passed(answer.summary)
    found = f"{when} it is answered {answer.summary}"
    return doubtful(found) if answer.status == HTTPStatus.FORBIDDEN else wrong(found)


def _without_challenge(subject: Subject, scheme: str = "") -> Finding | None:
    """Return why a check about challenges, or about one scheme, shows nothing; None if it does."""
    if not subject.has_credentials:
        return not_asked("no credentials were given")
    if scheme and not isinstance(subject.server.credentials, Password):
        return not_asked("no user name and password were given")
    if subject.bare.status != HTTPStatus.UNAUTHORIZED:
        return cannot_tell("frames without credentials are not answered with 401")
    if scheme and scheme not in schemes(subject.bare):
        return not_asked(f"{scheme.capitalize()} is not offered")
    return None


def _password(subject: Subject) -> Password:
    """Return the password that `_without_challenge` has found to be given."""
    return cast("Password", subject.server.credentials)


def _digest(subject: Subject, credentials: Password | None = None) -> Headers:
    return (credentials or _password(subject)).digest("POST", subject.server.address.target, subject.bare)


def _after_challenge(subject: Subject, given: Headers) -> Answer:
    """Return what a frame is answered when the connection has just been challenged, or another if it was closed."""
    with subject.server.connection() as connection:
        challenge = connection.ask(subject.request)
        if challenge.is_reusable:
            subject.server.count()
            return connection.ask(subject.request, given)
    return subject.server.ask_once(subject.request, given)


def _algorithms(challenge: Answer) -> str:
    offers = [each for each in challenges(challenge) if each.lower().startswith("digest")]
    named = [_ALGORITHM.search(each) for each in offers]
    return ", ".join(match[1].upper()[:20] if match else "MD5" for match in named)


def _guess(subject: Subject) -> Headers:
    """Return credentials that are wrong; one guess, since servers shut out those who guess often."""
    guess = secrets.token_urlsafe(12)
    credentials: Credentials = subject.server.credentials
    if isinstance(credentials, Password):
        wrong_password = Password(credentials.user, guess)
        offered = schemes(subject.bare)
        digest = () if "basic" in offered or not offered else _digest(subject, wrong_password)
        return digest or wrong_password.basic()
    if isinstance(credentials, OneHeader):
        scheme, space, _ = credentials.value.partition(" ")
        return replace(credentials, value=f"{scheme} {guess}" if space else guess).headers("POST", "", None)
    return ()


CHECKS = (
    Check(
        "credentials.ignored",
        "A server that needs no credentials ignores those that come.",
        "The sample topologies always send a user name and a password, needed or not.",
        TOPOLOGIES,
        _ask_ignored,
    ),
    Check(
        "credentials.required",
        "A frame without credentials is answered with 401.",
        "Otherwise anyone in the network may use the server.",
        DECIDED,
        _ask_required,
    ),
    Check(
        "credentials.challenge",
        "401 says in WWW-Authenticate which credentials the server takes.",
        "A client that sends its password only when asked never sends it.",
        rfc(9110, "11.6.1"),
        _ask_challenge,
    ),
    Check(
        "credentials.basic",
        "Basic is taken at once, and after a 401.",
        "Some clients send the password with the first frame, others only when they are asked for it.",
        PAGE,
        _ask_basic,
    ),
    Check(
        "credentials.digest",
        "An answer to a challenge of Digest is taken.",
        "A client that prefers Digest, because it hides the password, is always refused.",
        rfc(7616, "3.4"),
        _ask_digest,
    ),
    Check(
        "credentials.replay",
        "An answer to a challenge of Digest is taken once.",
        "Who records a request can send it again, and so use the server without the password.",
        DECIDED,
        _ask_replay,
    ),
    Check(
        "credentials.header",
        "The name of the header, and the scheme in Authorization, may be written in any letters.",
        "Clients and proxies write them as they like.",
        rfc(9110, "11.1"),
        _ask_header,
    ),
    Check(
        "credentials.wrong",
        "Wrong credentials are answered with 401.",
        "Otherwise the credentials protect nothing, or users do not see that theirs are wrong.",
        DECIDED,
        _ask_wrong,
    ),
)
