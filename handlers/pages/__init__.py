"""The pages in this folder, and their headers."""

from pathlib import Path

from starlette.responses import HTMLResponse

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'"
)
"""Content-Security-Policy: a page may only load content of this server."""


def _read(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


CONSOLE, CONSOLE_JS, CONSOLE_CSS = (_read(f"console.{kind}") for kind in ("html", "js", "css"))
STREAM, WAITING = _read("stream.html"), _read("waiting.html")
"""Templates: `stream` is the name as text, `path` as in a path, `root` leads to the console."""


def html(page: str) -> HTMLResponse:
    """Return a page, restricted by the policy."""
    return HTMLResponse(page, headers={"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer"})
