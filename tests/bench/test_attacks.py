"""A cheap attack on a fresh service; `python -m bench.attacks` has them all."""

import pytest

from bench.attacks import victim
from bench.attacks.__main__ import ATTACKS, measure, row


@pytest.mark.parametrize("name", ["YAML: nesting"])
def test_a_promise_is_held(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(victim, "CONTROL_S", 20)  # the machine may stand still
    figures = measure(name)
    assert figures["held"], row(figures)


def test_an_attack_that_hurts_is_reported() -> None:
    assert row({"attack": "x", "figure": "1 s", "promise": "0 s", "held": False}) == "| x | 1 s | 0 s | **broken** |"
    assert all(attack.act.__doc__ for attack in ATTACKS.values())
