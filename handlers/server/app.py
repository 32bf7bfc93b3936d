"""The composition root: joins the parts of the service into one ASGI application."""

import ipaddress
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from connexion import AsyncApp
from connexion.middleware.context import ContextMiddleware
from connexion.middleware.exceptions import ExceptionMiddleware
from connexion.middleware.lifespan import LifespanMiddleware
from connexion.middleware.request_validation import RequestValidationMiddleware
from connexion.middleware.security import SecurityMiddleware
from connexion.resolver import Resolver
from starlette.middleware.cors import CORSMiddleware

from handlers import annotate, catalog, console, inference, live, service, stream_settings
from handlers.context import Context, RequestRecord
from handlers.deepstack import operations as deepstack
from handlers.deepstack.dialect import FORM_TYPE, UnparsedForm
from handlers.parsing.request_names import REQUEST_ID_HEADERS
from handlers.server.access.proxies import TrustedProxies
from handlers.server.access.security import Security
from handlers.server.contract import Contract, read_contract
from handlers.server.lifespan import lifespan
from handlers.server.metrics import Metrics
from handlers.server.middleware.admission import AdmissionMiddleware
from handlers.server.middleware.body_limit import BodyLimitMiddleware
from handlers.server.middleware.browsers import BrowserMiddleware, cors_options
from handlers.server.middleware.bytes_in_flight import BytesBudget
from handlers.server.middleware.logs import Report, RequestLog, RequestLogMiddleware
from handlers.server.middleware.media_type import JSON_TYPE, MediaTypeMiddleware, Unparsed
from handlers.server.middleware.parameters import ContractParameterValidator, KnownParametersMiddleware
from handlers.server.middleware.pending_keys import PendingKeyMiddleware
from handlers.server.middleware.problems import ERROR_HANDLERS
from handlers.server.middleware.routing import ExactRoutingMiddleware, PlainPathMiddleware
from handlers.server.middleware.swagger_ui import SwaggerUIMiddleware
from handlers.server.parts import create_dataplane, create_recognition, create_reloader
from handlers.server.rationed import Rationed
from handlers.server.refusals import Refusals
from handlers.server.settings import Settings
from handlers.server.status import Status
from handlers.server.traces.creation import create_traces
from handlers.server.wire.shedding import LoadShedder
from handlers.server.wire.tls import create_tls
from models.runtime.engine import Engine

if TYPE_CHECKING:  # imports OpenTelemetry
    from handlers.server.traces.otlp import Traces

logger = logging.getLogger("framehook")

OPEN = "no credentials are configured: everyone who can reach this port may use the service"

OPERATIONS: dict[str, Callable[..., Any]] = {
    "infer": inference.infer,
    "infer_model": inference.infer_model,
    "score": inference.score,
    "annotate": annotate.annotate,
    "annotate_model": annotate.annotate_model,
    "detect_objects": deepstack.detect_objects,
    "detect_custom": deepstack.detect_custom,
    "detect_faces": deepstack.detect_faces,
    "classify_scene": deepstack.classify_scene,
    "read_plates": deepstack.read_plates,
    "read_plates_of_image": deepstack.read_plates_of_image,
    "list_custom_models": deepstack.list_custom_models,
    "get_custom_models": deepstack.get_custom_models,
    "ping": deepstack.ping,
    "list_analysis_modules": deepstack.list_analysis_modules,
    "get_update_state": deepstack.get_update_state,
    "list_models": catalog.list_models,
    "get_model": catalog.get_model,
    "reload_model": catalog.reload_model,
    "list_streams": live.list_streams,
    "get_stream": live.get_stream,
    "forget_stream": live.forget_stream,
    "get_stream_settings": stream_settings.get_stream_settings,
    "put_stream_settings": stream_settings.put_stream_settings,
    "delete_stream_settings": stream_settings.delete_stream_settings,
    "show_stream": live.show_stream,
    "watch_stream": live.watch_stream,
    "get_console": console.get_console,
    "get_console_file": console.get_console_file,
    "get_liveness": service.get_liveness,
    "get_readiness": service.get_readiness,
    "get_status": service.get_status,
    "list_refusals": service.list_refusals,
    "get_metrics": service.get_metrics,
    "get_contract_yaml": service.get_contract_yaml,
    "get_contract_json": service.get_contract_json,
}
"""operationId → function."""


@dataclass(frozen=True, slots=True)
class Reports:
    """Where finished requests are reported. `traces`: None if none are sent."""

    metrics: Metrics
    refusals: Refusals
    log: RequestLog
    traces: "Traces | None"

    def add(self, record: RequestRecord, method: str | None, path: str | None) -> None:
        """Count, trace and log one finished request; its line then has the id of its trace."""
        self.metrics.count(record)
        self.refusals.count(record, path)
        if self.traces:
            self.traces.add(record, method, path)
        self.log.write(record, method, path)


VALIDATORS = {"parameter": ContractParameterValidator, "body": {FORM_TYPE: UnparsedForm, JSON_TYPE: Unparsed}}
"""Instead of connexion's own."""


def create_app(settings: Settings, loaded: Callable[[bool], None], engine: Engine | None = None) -> AsyncApp:
    """Return the ASGI application. `engine`: runs the models; by default one on this machine.

    The models are loaded in the background after the server has started; until then the service is live but not ready.
    `loaded` is called on the event loop: with True when all models are ready, with False if one cannot be loaded, whose
    cause is then logged. Raises ModelsError if the repository cannot be read, and ConfigurationError if a setting names
    something that does not exist.
    """
    _silence_libraries()
    security = create_security(settings)
    if not (security.is_on or is_loopback(settings.host)):
        logger.warning(OPEN, extra={"facts": {"host": settings.host}})
    contract = read_contract(security, settings.api_key_header)
    dataplane = create_dataplane(settings, engine)
    engine = dataplane.engine
    budget = BytesBudget(settings.max_bytes_in_flight, engine.served.lanes.retry_after_s)
    tls = create_tls(settings)
    metrics = Metrics(dataplane, budget, tls)
    refusals = Refusals(contract.frame_operations, dataplane.streams)
    reports = Reports(metrics, refusals, RequestLog(settings.log_requests), create_traces(settings, contract))
    shedder = LoadShedder(dataplane, contract.operations_on_default_model, settings.max_body_bytes, reports.add)
    reloader = create_reloader(settings, engine, metrics.count_reload)
    context = Context(
        dataplane=dataplane,
        reloader=reloader,
        contract_yaml=contract.as_yaml,
        contract_json=contract.as_json,
        metrics=Rationed(metrics.as_text),
        status=Rationed(Status(engine, metrics, contract.frame_operations).as_record),
        refusals=refusals.as_records,
        challenges=security.recognition.challenges,
        kinds_of_model=contract.kinds_of_model,
    )
    proxies = TrustedProxies(settings.trusted_proxies)
    state = {"context": context, "shedder": shedder, "report": reports.add, "budget": budget, "proxies": proxies}
    if tls:
        state |= {"tls": tls, "count_handshake_failure": metrics.count_handshake_failure}
    close = partial(_close, reports, security)
    app = AsyncApp(
        __name__,
        lifespan=partial(lifespan, state=state, settings=settings, loaded=loaded, close=close),
        middlewares=_middlewares(settings, contract, budget, reports.add),
        resolver=Resolver(OPERATIONS.__getitem__),
        pythonic_params=True,
        security_map=security.handlers(contract.permissions, contract.operations_with_form),
        validator_map=VALIDATORS,
    )
    for error, handler in ERROR_HANDLERS.items():
        app.add_error_handler(error, handler)
    app.add_api(contract.document)
    return app


def _close(reports: Reports, security: Security) -> None:
    """Send what is queued of the traces, and end what judges passwords."""
    if reports.traces:
        reports.traces.close()
    security.recognition.close()


def _silence_libraries() -> None:
    """Let connexion not warn six times per request and about unknown parameters, nor python_multipart about forms."""
    for library in ("connexion", "python_multipart"):
        logging.getLogger(library).setLevel(logging.CRITICAL)


def create_security(settings: Settings) -> Security:
    """Return the rules of access. Raises ConfigurationError if a credential is wrong."""
    return Security(create_recognition(settings), settings.anonymous_may, settings.default_model)


def is_loopback(host: str) -> bool:
    """Return whether an address can only be reached from this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _middlewares(settings: Settings, contract: Contract, budget: BytesBudget, report: Report) -> list[Any]:
    """Return the whole stack of middleware, outermost first."""
    pages = cors_options(settings.allowed_origins, exposed=("Retry-After", *REQUEST_ID_HEADERS))
    names = (settings.host, *settings.allowed_hosts)
    return [
        partial(RequestLogMiddleware, report=report),
        *([partial(CORSMiddleware, **pages)] if settings.allowed_origins else ()),
        PlainPathMiddleware,
        ExceptionMiddleware,
        partial(BrowserMiddleware, names=names, origins=settings.allowed_origins),
        partial(BodyLimitMiddleware, max_body_bytes=settings.max_body_bytes),
        SwaggerUIMiddleware,
        ExactRoutingMiddleware,
        SecurityMiddleware,
        PendingKeyMiddleware,
        partial(KnownParametersMiddleware, names=contract.query_names),
        partial(AdmissionMiddleware, operations=contract.frame_operations, budget=budget),
        partial(
            MediaTypeMiddleware,
            media_types=contract.media_types,
            operations_with_form=contract.operations_with_form,
        ),
        RequestValidationMiddleware,
        LifespanMiddleware,
        ContextMiddleware,
    ]
