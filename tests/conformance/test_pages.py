"""The documents list the groups, the mistakes and the checks that there are."""

import re

from conformance.checks import CHECKS, GROUPS
from conformance.doctor.examining import QUESTIONS
from tests.support.client import ROOT
from tests.support.seeded.mistakes import MISTAKES


def rows(page: str, heading: str) -> list[list[str]]:
    """Return the cells of the table under a heading, without its head."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_users_page_lists_all_groups() -> None:
    assert [row[0] for row in rows("conformance.md", "What is asked")] == [f"`{group}`" for group in GROUPS]


def test_the_users_page_shows_what_a_report_says() -> None:
    text = (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8")
    said = (
        {check.sentence for check in CHECKS} | {check.why for check in CHECKS} | {each.source.text for each in CHECKS}
    )
    quoted = re.findall(r"^    (?:expected|why|source) +(.+)$", text, re.MULTILINE)
    assert len(quoted) >= 3
    assert set(quoted) <= said
    assert set(QUESTIONS) <= set(text.splitlines())


def test_the_maintainers_page_lists_all_mistakes_by_check() -> None:
    """Run this file as a program to print the table."""
    assert rows("maintainers/conformance.md", "Mistakes and checks") == table()


def table() -> list[list[str]]:
    order = [check.id for check in CHECKS]
    mistakes = sorted(MISTAKES.items(), key=lambda item: (order.index(item[1].found_by), item[0]))
    return [[f"`{name}`", mistake.sentence, f"`{mistake.found_by}`"] for name, mistake in mistakes]


if __name__ == "__main__":
    print("| mistake | what the server does | found by |\n|---|---|---|")  # noqa: T201  # a program
    print("\n".join("| " + " | ".join(row) + " |" for row in table()))  # noqa: T201
