"""The report as a text for people."""

from collections.abc import Iterator
from itertools import groupby

from conformance.running import Report, Result
from conformance.verdicts import Verdict

INDENT = "    "
NOTHING_FOUND = "No object with a box was found in the photos: give pictures of your own with --picture."
EXPLAINED = {Verdict.FAIL, Verdict.WARN}


def text(report: Report) -> str:
    """Return the report: a line for each check, by group, and more about what is wrong."""
    width = max((len(result.check.id) for result in report.results), default=0)
    lines = [f"{report.url}, judged by framehook {report.version}", ""]
    for group, results in groupby(report.results, key=lambda result: result.check.group):
        lines.append(group)
        for result in results:
            lines += _lines(result, width)
        lines.append("")
    if report.sights and not any(sight.found for sight in report.sights):
        lines.append(NOTHING_FOUND)
    counts = ", ".join(f"{report.count(verdict)} {verdict}" for verdict in Verdict if report.count(verdict))
    lines.append(f"Checks: {counts}. Requests: {report.requests} in {report.duration_s:.1f} s.")
    return "\n".join(lines)


def _lines(result: Result, width: int) -> Iterator[str]:
    check, finding = result.check, result.finding
    verdict = finding.verdict.upper() if finding.verdict in EXPLAINED else finding.verdict
    yield f"  {verdict:<11}  {check.id:<{width}}  {finding.detail}".rstrip()
    if finding.verdict in EXPLAINED:
        yield f"{INDENT}expected  {check.sentence}"
        yield f"{INDENT}why       {check.why}"
        yield f"{INDENT}source    {check.source.text}"
