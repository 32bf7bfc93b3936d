"""The report as one HTML page that needs no other file."""

import base64
from collections.abc import Iterator
from html import escape
from importlib.resources import files
from itertools import groupby

from conformance.inferences import Found
from conformance.pictures.photos import SIDE_PX
from conformance.running import Report, Result, Sight
from conformance.verdicts import Verdict

SHOWN_BOXES = 20
COLOURS = ("#e4572e", "#1f7ae0", "#2e9e5b", "#b05fd0", "#c98a00")
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
OPEN = (Verdict.FAIL, Verdict.WARN)
MARKS = {Verdict.PASS: "✓", Verdict.FAIL: "✗", Verdict.WARN: "!", Verdict.NOT_ASKED: "○", Verdict.CANNOT_TELL: "?"}


def page(report: Report) -> str:
    """Return the page: the counts, each check with what came, why it matters and its source, and the photos."""
    style = files(__package__).joinpath("page.css").read_text(encoding="utf-8")
    return (
        "<!doctype html>\n"
        '<html lang="en">\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(report.url)}: {_verdict(report)}</title>\n"
        f"<style>\n{style}</style>\n"
        f"<body>\n{_header(report)}\n<main>\n{''.join(_groups(report))}{_photos(report)}</main>\n{_footer(report)}\n"
    )


def _verdict(report: Report) -> str:
    failures = report.count(Verdict.FAIL)
    return f"{failures} failed" if failures else "no failures"


def _header(report: Report) -> str:
    counts = "".join(
        f'<li class="{_class(verdict)}"><strong>{report.count(verdict)}</strong> {escape(verdict)}</li>'
        for verdict in Verdict
    )
    total = len(report.results) or 1
    shares = "".join(
        f'<i class="{_class(verdict)}" style="width:{100 * report.count(verdict) / total:.2f}%"></i>'
        for verdict in Verdict
    )
    return (
        f'<header>\n<p class="kind">Conformance to the HTTP extension protocol</p>\n<h1>{escape(report.url)}</h1>\n'
        f'<ul class="counts">{counts}</ul>\n<div class="shares" aria-hidden="true">{shares}</div>\n'
        f"{_wrong(report)}</header>"
    )


def _wrong(report: Report) -> str:
    """Return what is wrong, failures first, as links into the page."""
    results = [result for verdict in OPEN for result in report.results if result.finding.verdict is verdict]
    links = "".join(
        f'<li class="{_class(result.finding.verdict)}">{_mark(result.finding.verdict)}'
        f'<a href="#{escape(result.check.id)}">{escape(result.check.sentence)}</a></li>'
        for result in results
    )
    return f'<ul class="wrong" aria-label="What is wrong">{links}</ul>\n' if links else ""


def _groups(report: Report) -> Iterator[str]:
    for group, listed in groupby(report.results, key=lambda result: result.check.group):
        results = tuple(listed)
        fine = sum(result.finding.verdict is Verdict.PASS for result in results)
        yield (
            f'<section aria-labelledby="{group}">\n<h2 id="{group}">{escape(group.title())} '
            f"<small>{fine} of {len(results)} pass</small></h2>\n"
        )
        yield from map(_check, results)
        yield "</section>\n"


def _check(result: Result) -> str:
    check, finding = result.check, result.finding
    is_open = " open" if finding.verdict in OPEN else ""
    detail = f"<dt>What came</dt><dd>{escape(finding.detail)}</dd>" if finding.detail else ""
    return (
        f'<details id="{escape(check.id)}" class="{_class(finding.verdict)}"{is_open}>\n'
        f"<summary>{_mark(finding.verdict)}"
        f'<span class="sentence">{escape(check.sentence)}</span>'
        f'<span class="verdict">{escape(finding.verdict)}</span></summary>\n'
        f"<dl>{detail}<dt>Why it matters</dt><dd>{escape(check.why)}</dd>"
        f"<dt>Source</dt><dd>{escape(check.source.text)}</dd>"
        f"<dt>Check</dt><dd><code>{escape(check.id)}</code>, {result.duration_s * 1000:.0f} ms</dd></dl>\n</details>\n"
    )


def _photos(report: Report) -> str:
    if not report.sights:
        return ""
    figures = "".join(map(_figure, report.sights))
    return (
        '<section aria-labelledby="photos">\n<h2 id="photos">Photos '
        f'<small>and what the server found in them</small></h2>\n<div class="photos">\n{figures}</div>\n</section>\n'
    )


def _figure(sight: Sight) -> str:
    encoded = base64.b64encode(sight.jpeg).decode("ascii")
    boxes = "".join(_box(number, each) for number, each in enumerate(sight.found[:SHOWN_BOXES]))
    labels = ", ".join(f"{each.label} {each.confidence:.2f}" for each in sight.found[:SHOWN_BOXES]) or "nothing found"
    return (
        f'<figure><div><img src="data:image/jpeg;base64,{encoded}" alt="" width="{SIDE_PX}" height="{SIDE_PX}">'
        f'<svg viewBox="0 0 1 1" aria-hidden="true">{boxes}</svg></div>'
        f"<figcaption><b>{escape(sight.name)}</b> {escape(labels)}</figcaption></figure>\n"
    )


def _box(number: int, each: Found) -> str:
    left, top, width, height = (f"{min(max(edge, -1.0), 2.0):.4f}" for edge in each.box_ltwh)
    colour = COLOURS[number % len(COLOURS)]
    return f'<rect x="{left}" y="{top}" width="{width}" height="{height}" stroke="{colour}"/>'


def _footer(report: Report) -> str:
    started = report.started_at.strftime("%Y-%m-%d %H:%M UTC")
    return (
        f"<footer>framehook {escape(report.version)}, {started}: {report.requests} requests in "
        f"{report.duration_s:.1f} s. Only what the protocol says is a failure; a warning is about what it leaves open."
        "</footer>"
    )


def _mark(verdict: Verdict) -> str:
    return f'<b class="mark" aria-hidden="true">{MARKS[verdict]}</b>'


def _class(verdict: Verdict) -> str:
    return verdict.replace(" ", "-")
