"""The report as a JSON document."""

from typing import Any

from conformance.inferences import Found
from conformance.running import Report, Result, Sight
from conformance.verdicts import Verdict


def document(report: Report) -> dict[str, Any]:
    """Return the report as a document. `binds` is false where a check asks for more than the protocol does."""
    return {
        "url": report.url,
        "version": report.version,
        "startedAt": report.started_at.isoformat(timespec="seconds"),
        "durationS": round(report.duration_s, 3),
        "requests": report.requests,
        "counts": {verdict: report.count(verdict) for verdict in Verdict},
        "checks": [_check(result) for result in report.results],
        "pictures": [_picture(sight) for sight in report.sights],
    }


def _check(result: Result) -> dict[str, Any]:
    check, finding = result.check, result.finding
    return {
        "id": check.id,
        "verdict": finding.verdict,
        "detail": finding.detail,
        "sentence": check.sentence,
        "why": check.why,
        "source": check.source.text,
        "binds": check.source.binds,
        "durationS": round(result.duration_s, 3),
    }


def _picture(sight: Sight) -> dict[str, Any]:
    return {"name": sight.name, "found": [_found(each) for each in sight.found]}


def _found(each: Found) -> dict[str, Any]:
    box = dict(zip("ltwh", each.box_ltwh, strict=True))
    return {"label": each.label, "confidence": each.confidence, "box": box}
