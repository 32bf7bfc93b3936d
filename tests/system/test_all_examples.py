"""openapi-core, a second judge of answers, finds the answers of the examples valid in the served contract."""

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from handlers.server.contract import read_contract
from tests.contract.builders import Target
from tests.contract.test_examples import (  # noqa: F401  # the fixtures are found by their names
    BUILDERS,
    abandoned,
    draining,
    response_examples,
    small,
    starting,
)
from tests.support.client import ROOT, ContractClient

HERE = Path(__file__).parent
PYTHON = ROOT / ".tools" / "clients" / "bin" / "python"
SERVICES = {"server", "guarded", "small", "starting", "draining", "abandoned"}
"""Those of the examples that answer at once. The others' answers are problems with another sentence, and one text."""
SLOW = {"overloaded"}
FEWEST_ANSWERS = 200

pytestmark = pytest.mark.system


def as_line(answer: httpx.Response) -> str:
    exchange = {"method": answer.request.method, "url": str(answer.request.url), "status": answer.status_code}
    exchange |= {"headers": answer.headers.multi_items(), "body": base64.b64encode(answer.content).decode()}
    return json.dumps(exchange)


def test_every_answer_is_valid(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[httpx.Response] = []
    send = ContractClient.send

    def send_recorded(self: ContractClient, sent: httpx.Request, **options: Any) -> httpx.Response:
        answer = send(self, sent, **options)
        answers.append(answer)
        return answer

    monkeypatch.setattr(ContractClient, "send", send_recorded)
    for example in (parameters.values[0] for parameters in response_examples()):
        fixture = next(fixture for fixture, builders in BUILDERS.items() if example.name in builders)
        if fixture not in SERVICES or example.name in SLOW:
            continue
        live = request.getfixturevalue(fixture)
        BUILDERS[fixture][example.name](live, Target.of(example.method, example.path.replace("{model}", live.model)))
    contract, exchanges = tmp_path / "openapi.yaml", tmp_path / "exchanges"
    contract.write_bytes(read_contract().as_yaml)
    exchanges.write_text("\n".join(map(as_line, answers)))
    command = [PYTHON, HERE / "check_answers.py", contract, exchanges]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert int(checked.stdout) > FEWEST_ANSWERS
