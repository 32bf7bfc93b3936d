"""Where and when figures were measured, and how they are kept: a JSON file, from which tables and plots are made."""

import json
import os
import platform
import subprocess
from argparse import Namespace
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lab import ROOT

PACKAGES = ("onnxruntime", "numpy", "pillow", "connexion", "uvicorn", "uvloop")


def circumstances() -> dict[str, Any]:
    """Return commit, date, machine, versions, and how busy the machine was."""
    return {
        "commit": _commit(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load_average": os.getloadavg()[0],
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
    }


def write(path: Path | None, kind: str, options: Namespace, results: Sequence[Mapping[str, Any]]) -> None:
    """Print the circumstances, and write them with the results to the file, if there is to be one."""
    facts = circumstances()
    print(f"\n{facts['processor']}, {facts['cores']} cores; commit {facts['commit']}, {facts['date']}")
    if path:
        given = {name: value.name if isinstance(value, Path) else str(value) for name, value in vars(options).items()}
        document = {"kind": kind, "circumstances": facts, "options": given, "results": results}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _commit() -> str:
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=7"],  # noqa: S607  # the git at hand
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return described.stdout.strip() or "unknown"


def _processor() -> str:
    facts = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in facts if line.startswith("model name")]
    extras = [name for name in ("avx2", "avx512_vnni", "avx_vnni") if any(f" {name}" in line for line in facts)]
    return f"{names[0] if names else platform.machine()} ({', '.join(extras)})"
