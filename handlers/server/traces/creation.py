"""Whether there are traces: OpenTelemetry is imported only if the settings ask for them."""

from importlib.util import find_spec
from typing import TYPE_CHECKING

from handlers.errors import ConfigurationError
from handlers.server.settings import Settings
from models.extras import how_to_install

if TYPE_CHECKING:
    from handlers.server.contract import Contract
    from handlers.server.traces.otlp import Traces

WRONG = (ValueError, OverflowError, RuntimeError, StopIteration)
"""What OpenTelemetry raises for variables: also for numbers beyond all sizes, and names of parts that there are not."""
PACKAGES = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")


def create_traces(settings: Settings, contract: "Contract") -> "Traces | None":
    """Return what sends traces; None if none are asked for.

    Raises ConfigurationError when the extra `traces` is missing, or a variable OTEL_… is wrong.
    """
    refuse_without_extra(settings)
    if not settings.traces_per_s:
        return None
    from handlers.server.traces.spans import Operations  # noqa: PLC0415

    untraced = {operation for operation, permission in contract.permissions.items() if permission == "monitor"}
    operations = Operations(contract.routes, contract.frame_operations, untraced)
    try:
        from handlers.server.traces.otlp import Traces  # noqa: PLC0415  # imports OpenTelemetry, which reads variables

        return Traces(settings.traces_per_s, operations)
    except WRONG as error:
        raise ConfigurationError("A variable OTEL_… has a value that OpenTelemetry does not accept.") from error


def refuse_without_extra(settings: Settings) -> None:
    """Raise ConfigurationError when traces are asked for and the extra `traces` is missing."""
    if settings.traces_per_s and not all(map(_is_there, PACKAGES)):
        raise ConfigurationError(f"Traces need the packages of OpenTelemetry: {how_to_install('traces')}.")


def _is_there(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ImportError:  # a package around it is missing
        return False
