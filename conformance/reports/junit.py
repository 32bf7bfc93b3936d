"""The report as JUnit's XML, which most systems of continuous integration show."""

import re
from xml.etree import ElementTree as ET  # only written here, never read

from conformance.running import Report, Result
from conformance.verdicts import Verdict

NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(report: Report) -> bytes:
    """Return the report as XML: a failed check is a failure, one that shows nothing is skipped, a warning passes."""
    skipped = report.count(Verdict.NOT_ASKED) + report.count(Verdict.CANNOT_TELL)
    suite = ET.Element(
        "testsuite",
        name="framehook conform",
        timestamp=report.started_at.isoformat(timespec="seconds"),
        hostname=report.url,
        tests=str(len(report.results)),
        failures=str(report.count(Verdict.FAIL)),
        errors="0",
        skipped=str(skipped),
        time=f"{report.duration_s:.3f}",
    )
    for result in report.results:
        _add_case(suite, result)
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    written: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def _add_case(suite: ET.Element, result: Result) -> None:
    check, finding = result.check, result.finding
    detail = NOT_IN_XML.sub("?", finding.detail)
    case = ET.SubElement(
        suite, "testcase", classname=f"conform.{check.group}", name=check.id, time=f"{result.duration_s:.3f}"
    )
    if finding.verdict is Verdict.FAIL:
        failure = ET.SubElement(case, "failure", message=detail)
        failure.text = f"{check.sentence}\n{check.why}\nSource: {check.source.text}"
    elif finding.verdict in {Verdict.NOT_ASKED, Verdict.CANNOT_TELL}:
        ET.SubElement(case, "skipped", message=f"{finding.verdict}: {detail}")
    elif detail:
        warning = "warning: " if finding.verdict is Verdict.WARN else ""
        ET.SubElement(case, "system-out").text = f"{warning}{detail}"
