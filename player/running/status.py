"""The status of a running player over HTTP, as player/openapi.yaml declares it: reads only."""

import asyncio
import html
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from player.errors import PlayerError
from player.events.sending import OutputStatus
from player.running.metrics import as_text
from player.running.state import PipelineState

MAX_CONNECTIONS = 32
KEEP_ALIVE_S = 5
LONGEST_S = 10.0
"""How long a connection lasts: requests that never come as a whole would keep others out."""
HEADERS = [("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")]
POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>framehook play</title><meta http-equiv="refresh" content="2">
<meta name="viewport" content="width=device-width"><style>
:root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }}
body {{ margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }}
div {{ overflow-x: auto; }} table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: left; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid #8886; }}
td.number {{ font-variant-numeric: tabular-nums; }}
</style></head><body><h1>framehook play</h1>
<h2>Pipelines</h2><div role="region" aria-label="Pipelines" tabindex="0">{pipelines}</div>
<h2>Outputs</h2><div role="region" aria-label="Outputs" tabindex="0">{outputs}</div></body></html>
"""


@dataclass(frozen=True, slots=True)
class Watched:
    """What a status shows: functions that return the states of all pipelines and outputs."""

    pipelines: Callable[[], Iterable[PipelineState]]
    outputs: Callable[[], Iterable[OutputStatus]]


class StatusServer:
    """Serves the status from a thread of its own, until it is closed. Raises PlayerError if the port is not free."""

    def __init__(self, host: str, port: int, watched: Watched) -> None:
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self._listener = socket.create_server((host, port), family=family)
        except OSError as error:
            raise PlayerError(f"The status cannot be served on {host}:{port}: {error.strerror}.") from error
        self.port: int = self._listener.getsockname()[1]
        config = uvicorn.Config(
            create_app(host, watched),
            http=_BriefProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            headers=HEADERS,
            limit_concurrency=MAX_CONNECTIONS,
            timeout_keep_alive=KEEP_ALIVE_S,
        )
        self._server = _QuietServer(config)
        self._thread = threading.Thread(
            target=self._server.run, args=([self._listener],), name="framehook-status", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Close the port."""
        self._server.should_exit = self._server.force_exit = True
        self._thread.join()
        self._listener.close()


class _BriefProtocol(HttpToolsProtocol):
    """Ends each connection after some time; an answer that is under way is still sent."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        self.loop.call_later(LONGEST_S, self.shutdown)


class _QuietServer(uvicorn.Server):
    """Leaves signals to the command."""

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]  # without a generator
        """Capture none."""
        return nullcontext()


def create_app(host: str, watched: Watched) -> Starlette:
    """Return the application. `host`: that it listens on; requests must name it, or this machine."""
    everywhere = host in {"0.0.0.0", "::"}  # noqa: S104  # it is only compared
    hosts = ["*"] if everywhere else [host, "localhost", "127.0.0.1"]
    metrics = as_text(watched.pipelines, watched.outputs)
    contract = files("player").joinpath("openapi.yaml").read_bytes()

    async def get_page(_: Request) -> Response:
        page = PAGE.format(
            pipelines=_table([_of_pipeline(state) for state in watched.pipelines()]),
            outputs=_table([_of_output(state) for state in watched.outputs()]),
        )
        return HTMLResponse(page, headers={"Content-Security-Policy": POLICY})

    async def get_status(_: Request) -> Response:
        return JSONResponse(
            {
                "pipelines": [_of_pipeline(state) for state in watched.pipelines()],
                "outputs": [_of_output(state) for state in watched.outputs()],
            }
        )

    async def get_health(_: Request) -> Response:
        waiting = [state.name for state in watched.pipelines() if state.phase not in {"playing", "ended"}]
        health = {"status": "waiting" if waiting else "playing", "waiting": waiting}
        return JSONResponse(health, 503 if waiting else 200)

    async def get_metrics(_: Request) -> Response:
        return Response(metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def get_contract(_: Request) -> Response:
        return Response(contract, media_type="application/yaml")

    routes = {
        "/": get_page,
        "/status": get_status,
        "/health": get_health,
        "/metrics": get_metrics,
        "/openapi.yaml": get_contract,
    }
    return Starlette(
        routes=[Route(path, function) for path, function in routes.items()],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False)],
    )


def _of_pipeline(state: PipelineState) -> dict[str, Any]:
    answered = state.total("answered")
    return {
        "name": state.name,
        "topology": state.topology,
        "source": state.source,
        "phase": state.phase,
        "fault": state.fault,
        "sessions": state.sessions,
        "packets": state.packets,
        "receivedBytes": state.received_bytes,
        "frames": state.frames,
        **({"at": _iso(state.at_s)} if state.at_s else {}),
        "asked": state.total("asked"),
        "answered": answered,
        "failed": state.total("failed"),
        "skipped": state.total("skipped"),
        **({"waitMs": round(1000 * state.waited_s / answered, 3)} if answered else {}),
        "events": dict(state.events),
        "clips": state.clips,
    }


def _iso(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _of_output(state: OutputStatus) -> dict[str, Any]:
    is_well = state.connected_since_s is not None and not state.is_over
    return {
        "name": state.name,
        "delivered": state.delivered,
        "waiting": state.waiting,
        "dropped": state.dropped,
        "fault": "" if is_well else state.last_error or "",
    }


def _table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as an HTML table; the columns are the keys of all rows."""
    if not rows:
        return "<p>None.</p>"
    columns = [*dict.fromkeys(key for row in rows for key in row)]
    head = "".join(f"<th scope=col>{html.escape(column)}</th>" for column in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(_text(row.get(column, '')))}</td>" for column in columns) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {count}" for key, count in sorted(value.items()))
    return str(value)
