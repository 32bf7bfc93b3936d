"""The console: a page that shows what the service can do and how it is. It shows nothing but itself to strangers."""

from starlette.responses import HTMLResponse, Response

from handlers import pages


async def get_console() -> HTMLResponse:
    """Return the page."""
    return pages.html(pages.CONSOLE)


async def get_console_js() -> Response:
    """Return what the page does."""
    return Response(pages.CONSOLE_JS, media_type="text/javascript", headers=pages.STATIC)


async def get_console_css() -> Response:
    """Return how the page looks."""
    return Response(pages.CONSOLE_CSS, media_type="text/css", headers=pages.STATIC)
