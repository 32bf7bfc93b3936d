"""The pages in this folder, the files that they load, and their headers."""

from pathlib import Path

from starlette.responses import HTMLResponse

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'"
)
"""Content-Security-Policy: a page may only load content of this server."""

MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".jpg": "image/jpeg"}
"""The end of a file's name → its media type."""

_HERE = Path(__file__).parent

CONSOLE = (_HERE / "console.html").read_text(encoding="utf-8")
STREAM = (_HERE / "stream.html").read_text(encoding="utf-8")
"""A template: `stream` is the name as text, `root` leads to the console, `checked` is the state of its checkbox."""
FILES = {path.name: (path.read_bytes(), MEDIA_TYPES[path.suffix]) for path in sorted((_HERE / "files").iterdir())}
"""The files of both pages by name: content and media type."""


def html(page: str) -> HTMLResponse:
    """Return a page, restricted by the policy."""
    return HTMLResponse(page, headers={"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer"})
