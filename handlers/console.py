"""The operations of the console: a page to try the service. It needs no credential and contains no data itself."""

from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from handlers import pages


async def get_console() -> HTMLResponse:
    """Return the page."""
    return pages.html(pages.CONSOLE)


async def get_console_file(file: str) -> Response:
    """Return a script, a style sheet or a picture of the pages. Raises HTTPException if there is no such file."""
    if file not in pages.FILES:
        raise HTTPException(404)
    content, media_type = pages.FILES[file]
    return Response(content, media_type=media_type)
