"""The operations about the service itself: its health, its status, its metrics and its contract."""

from connexion import request
from starlette.responses import JSONResponse, Response

from handlers.context import Context

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Prometheus's text format."""


async def get_liveness() -> JSONResponse:
    """Report that the process is alive."""
    return JSONResponse({"status": "live"})


async def get_readiness() -> JSONResponse:
    """Report that the service accepts frames. Raises NotReadyError or DrainingError while it does not."""
    context: Context = request.state.context
    context.engine.refuse_if_not_ready()
    return JSONResponse({"status": "ready"})


async def get_contract_yaml() -> Response:
    """Return the contract as YAML."""
    context: Context = request.state.context
    return Response(context.contract_yaml, media_type="application/yaml")


async def get_contract_json() -> Response:
    """Return the contract as JSON, its references kept."""
    context: Context = request.state.context
    return Response(context.contract_json, media_type="application/json")


async def get_status() -> JSONResponse:
    """Return readiness, queue and counters as JSON."""
    context: Context = request.state.context
    return JSONResponse(context.status())


async def list_refusals() -> JSONResponse:
    """List the last refusals."""
    context: Context = request.state.context
    return JSONResponse({"refusals": context.refusals()})


async def get_metrics() -> Response:
    """Return the metrics in Prometheus's text format."""
    context: Context = request.state.context
    return Response(context.metrics(), media_type=METRICS_TYPE)
