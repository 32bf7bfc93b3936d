"""The cells of examples/tour.ipynb run, in their order, and find what the notebook is about."""

import json
import subprocess
import sys

from tests.support.client import ROOT
from tests.support.server import LiveServer

TOUR = ROOT / "examples" / "tour.ipynb"
CELLS = json.loads(TOUR.read_text(encoding="utf-8"))["cells"]
CHECKS = """
assert [one.label for one in found].count("person") == 6
assert labels[0].label.endswith("van")
assert len(raw.json()["inferences"]) == len(found)
assert min(counts) > 0
assert "tour" in [stream["id"] for stream in streams]
"""


def test_the_cells_run(server: LiveServer) -> None:
    """As a program without Jupyter, in the folder of the notebook."""
    cells = ["".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "code"]
    program = "\n".join(cells).replace("http://127.0.0.1:8080", server.url) + CHECKS
    folder = TOUR.parent
    run = subprocess.run([sys.executable, "-"], cwd=folder, input=program, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_the_notebook_is_committed_without_outputs() -> None:
    assert [cell["outputs"] for cell in CELLS if cell["cell_type"] == "code" and cell["outputs"]] == []
