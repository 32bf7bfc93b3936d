"""The alerts of Prometheus: they fire when they should, ask for metrics that exist, and say what to do."""

import re
import subprocess
from typing import Any

import pytest
import yaml

from handlers.server.contract import read_contract
from models.errors import SHED_REASONS
from tests.support.client import ROOT

FILE = ROOT / "deploy" / "prometheus" / "alerts.yml"
CASES = ROOT / "tests" / "deploy" / "alerts_test.yml"
ALERTS: list[dict[str, Any]] = [rule for group in yaml.safe_load(FILE.read_text())["groups"] for rule in group["rules"]]


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_says_what_is_wrong_and_what_to_do(alert: dict[str, Any]) -> None:
    assert alert["alert"].startswith("Framehook")
    assert re.fullmatch(r"[1-9]\d*[mh]", alert["for"])
    assert alert["labels"]["severity"] in {"warning", "critical"}
    assert set(alert["annotations"]) == {"summary", "description"}
    assert re.search(r"\$labels\.(instance|stream)", alert["annotations"]["summary"])
    assert "://" not in yaml.safe_dump(alert)


def test_every_alert_has_a_case_in_which_it_fires() -> None:
    cases = {case["name"] for case in yaml.safe_load(CASES.read_text())["tests"]}
    assert cases == {alert["alert"] for alert in ALERTS} | {"all is well"}


def test_reasons_and_operations_are_those_of_the_service() -> None:
    expressions = " ".join(alert["expr"] for alert in ALERTS)
    reasons = {
        reason for listed in re.findall(r'shed_total\{reason=~?"([^"]+)"', expressions) for reason in listed.split("|")
    }
    assert reasons == set(SHED_REASONS) - {"draining", "not_ready"}
    listed = re.findall(r'operation=~"([^"]+)"', expressions)
    assert listed
    assert set(listed) == {"|".join(sorted(read_contract().frame_operations))}


@pytest.mark.system
@pytest.mark.parametrize("command", [["check", "rules", FILE], ["test", "rules", CASES]], ids=["check", "test"])
def test_promtool_finds_no_fault(command: list[str]) -> None:
    run = subprocess.run(["promtool", *command], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
