"""The commands that run models without a server import no web framework, and for pictures no PyAV."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab.graphs import board, write_identity_model
from lab.pictures import encode
from tests.support.client import ROOT

RUN = """
import sys
from handlers.server.commands.cli import main
status = main(sys.argv[1:])
print(sorted({name.partition(".")[0] for name in sys.modules} & {"connexion", "starlette", "uvicorn", "flask", "av"}))
sys.exit(status)
"""


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["infer", "board.png"], id="infer"),
        pytest.param(["models"], id="models"),
        pytest.param(["models", "pull"], id="pull"),
        pytest.param(["check"], id="check"),
    ],
)
def test_no_web_framework_is_imported(tmp_path: Path, command: list[str]) -> None:
    write_identity_model(tmp_path)
    (tmp_path / "board.png").write_bytes(encode(board(7), "PNG"))
    arguments = [sys.executable, "-c", RUN, *command, "--model-repository", "."]
    run = subprocess.run(
        arguments,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.splitlines()[-1] == "[]"
