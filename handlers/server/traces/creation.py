"""Whether there are traces: OpenTelemetry is imported only if the settings ask for them."""

from typing import TYPE_CHECKING

from handlers.errors import ConfigurationError
from handlers.server.contract import Contract
from handlers.server.settings import Settings
from handlers.server.traces.spans import Operations
from models.extras import how_to_install

if TYPE_CHECKING:
    from handlers.server.traces.otlp import Traces


def create_traces(settings: Settings, contract: Contract) -> "Traces | None":
    """Return what sends traces; None if none are asked for.

    Raises ConfigurationError when the extra `traces` is missing, or a variable OTEL_… is wrong.
    """
    if not settings.traces_per_s:
        return None
    try:
        from handlers.server.traces.otlp import Traces  # noqa: PLC0415  # imports OpenTelemetry
    except ImportError as error:
        raise ConfigurationError(f"Traces need OpenTelemetry: {how_to_install('traces')}.") from error
    untraced = {operation for operation, permission in contract.permissions.items() if permission == "monitor"}
    try:
        return Traces(settings.traces_per_s, Operations(contract.routes, contract.frame_operations, untraced))
    except ValueError as error:
        raise ConfigurationError("A variable OTEL_… has a value that OpenTelemetry does not accept.") from error
