"""The operations of the console: a page to try the service. It needs no credential and contains no data itself."""

from starlette.responses import HTMLResponse, Response

from handlers import pages


async def get_console() -> HTMLResponse:
    """Return the page."""
    return pages.html(pages.CONSOLE)


async def log_in() -> HTMLResponse:
    """Return the page to somebody with a credential, for which the browser has asked."""
    return pages.html(pages.CONSOLE)


async def get_console_js() -> Response:
    """Return the script of the page."""
    return Response(pages.CONSOLE_JS, media_type="text/javascript")


async def get_console_css() -> Response:
    """Return the style sheet of the page."""
    return Response(pages.CONSOLE_CSS, media_type="text/css")
