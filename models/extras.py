"""How an optional package is installed: framehook may run from a checkout, or be installed as a package."""

from pathlib import Path

SETUP = Path(__file__).parent.parent / "scripts" / "setup"


def how_to_install(extra: str = "") -> str:
    """Return the command that installs what an extra of pyproject.toml needs, where this copy of framehook is.

    Without an extra: what framehook itself needs.
    """
    if SETUP.is_file():
        return f"scripts/setup {extra or 'runtime'}"
    return f"pip install 'framehook[{extra}]'" if extra else "pip install framehook"
