"""Asks a server all checks in order, each at most once, and keeps what was found."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from conformance.errors import ConformanceError, ExhaustedError, NoAnswerError
from conformance.inferences import Found
from conformance.pictures.encoding import jpeg
from conformance.subject import Subject
from conformance.telling import told
from conformance.verdicts import Check, Finding, Verdict, cannot_tell, not_asked, wrong


@dataclass(frozen=True, slots=True)
class Result:
    """A check, what it found, and how long it took."""

    check: Check
    finding: Finding
    duration_s: float = 0


@dataclass(frozen=True, slots=True)
class Sight:
    """A photo that the server was asked about, as JPEG, and what it found there."""

    name: str
    jpeg: bytes
    found: tuple[Found, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """All that was found out about a server."""

    url: str
    version: str
    started_at: datetime
    duration_s: float
    requests: int
    results: tuple[Result, ...]
    sights: tuple[Sight, ...] = ()

    def count(self, verdict: Verdict) -> int:
        """Return how many checks came to a verdict."""
        return sum(result.finding.verdict == verdict for result in self.results)

    @property
    def has_failed(self) -> bool:
        """Return whether any check failed."""
        return self.count(Verdict.FAIL) > 0

    @property
    def is_full(self) -> bool:
        """Return whether every check passed, but for those that were not asked."""
        return self.count(Verdict.PASS) + self.count(Verdict.NOT_ASKED) == len(self.results)


def selected(checks: Sequence[Check], only: Collection[str] = (), skip: Collection[str] = ()) -> tuple[Check, ...]:
    """Return the checks that are asked for, and those that these need, in their order, but for those that are skipped.

    `only`, `skip`: ids of checks or names of groups; no `only` means all. Raises ConformanceError for unknown ones.
    """
    known = {name for check in checks for name in (check.id, check.group)}
    if unknown := sorted({*only, *skip} - known):
        raise ConformanceError(f"There is no check or group {unknown[0][:80]!r}; framehook conform --list shows all.")
    by_id = {check.id: check for check in checks}
    wanted = {check.id for check in checks if not only or {check.id, check.group} & set(only)}
    skipped = {check.id for check in checks if {check.id, check.group} & set(skip)}
    wanted -= skipped
    while missing := {need for each in wanted for need in by_id[each].after} - wanted - skipped:
        wanted |= missing
    return tuple(check for check in checks if check.id in wanted)


def run(subject: Subject, checks: Iterable[Check]) -> Iterator[Result]:
    """Yield the result of each check as soon as it is known. A check that is not among `checks` is taken to pass."""
    verdicts: dict[str, Verdict] = {}
    for check in checks:
        started_at = time.monotonic()
        finding = _asked(check, subject, verdicts)
        if finding.verdict is Verdict.FAIL and not check.source.binds:
            finding = replace(finding, verdict=Verdict.WARN)
        verdicts[check.id] = finding.verdict
        finding = replace(finding, detail=told(finding.detail, subject.server.credentials))
        yield Result(check, finding, time.monotonic() - started_at)


def report_of(subject: Subject, version: str, ask: Callable[[], Iterable[Result]]) -> Report:
    """Return the report of a run. `ask`: runs the checks."""
    started_at, began = datetime.now(UTC), time.monotonic()
    results = tuple(ask())
    return Report(
        url=subject.server.address.url,
        version=version,
        started_at=started_at,
        duration_s=time.monotonic() - began,
        requests=subject.server.request_count,
        results=results,
        sights=tuple(sights(subject)),
    )


def sights(subject: Subject) -> Iterator[Sight]:
    """Yield what the server found in the photos, as far as it was asked about them."""
    for seen in subject.asked:
        found = tuple(replace(each, label=told(each.label, subject.server.credentials)) for each in seen.found)
        yield Sight(told(seen.photo.name, subject.server.credentials), jpeg(seen.photo.image), found)


def _asked(check: Check, subject: Subject, verdicts: dict[str, Verdict]) -> Finding:
    if check.is_hostile and not subject.hostile:
        return not_asked("ask with --hostile")
    blind = [need for need in check.after if verdicts.get(need, Verdict.PASS) is not Verdict.PASS]
    if blind:
        return cannot_tell(f"{', '.join(blind)} must pass first")
    try:
        return check.ask(subject)
    except NoAnswerError as error:
        return wrong(f"{error}")
    except ExhaustedError as error:
        return cannot_tell(str(error))
