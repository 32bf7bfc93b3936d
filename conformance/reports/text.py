"""The report as a text for people."""

from collections.abc import Iterator
from itertools import groupby

from conformance.running import Report, Result
from conformance.verdicts import Verdict

INDENT = "    "
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
    lines.append(summary(report))
    return "\n".join(lines)


def summary(report: Report) -> str:
    """Return the counts of all verdicts in one line."""
    counts = ", ".join(f"{report.count(verdict)} {verdict}" for verdict in Verdict if report.count(verdict))
    return f"{len(report.results)} checks: {counts}; {report.requests} requests in {report.duration_s:.1f} s"


def _lines(result: Result, width: int) -> Iterator[str]:
    check, finding = result.check, result.finding
    verdict = finding.verdict.upper() if finding.verdict in EXPLAINED else finding.verdict
    yield f"  {verdict:<11}  {check.id:<{width}}  {finding.detail}".rstrip()
    if finding.verdict in EXPLAINED:
        yield f"{INDENT}expected  {check.sentence}"
        yield f"{INDENT}why       {check.why}"
        yield f"{INDENT}source    {check.source.text}"
