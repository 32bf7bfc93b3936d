"""The composition root: every part of the service is made and joined here."""

import asyncio
import ipaddress
import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

from connexion import AsyncApp
from connexion.middleware.context import ContextMiddleware
from connexion.middleware.exceptions import ExceptionMiddleware
from connexion.middleware.lifespan import LifespanMiddleware
from connexion.middleware.request_validation import RequestValidationMiddleware
from connexion.middleware.response_validation import ResponseValidationMiddleware
from connexion.middleware.security import SecurityMiddleware
from connexion.middleware.swagger_ui import SwaggerUIMiddleware
from connexion.options import SwaggerUIOptions
from connexion.resolver import Resolver

from handlers import annotate, catalog, console, inference, live, service
from handlers.context import Context
from handlers.dataplane import DataPlane
from handlers.decoding.decoder import Decoder
from handlers.deepstack import operations as deepstack
from handlers.deepstack.predictions import ENCODERS as DIALECT_ENCODERS
from handlers.deepstack.unparsed import FORM_TYPE, UnparsedForm
from handlers.encoding.encoders import ENCODERS
from handlers.errors import ConfigurationError
from handlers.lane_codec import LaneCodec
from handlers.server.access.credentials import Credential, read_credentials, read_credentials_file, unique
from handlers.server.access.recognition import Recognition
from handlers.server.access.security import Security
from handlers.server.contract import Contract, read_contract
from handlers.server.memory import give_back_memory
from handlers.server.metrics import Metrics
from handlers.server.middleware.admission import AdmissionMiddleware, BytesBudget
from handlers.server.middleware.body_limit import BodyLimitMiddleware
from handlers.server.middleware.logs import Report, RequestLogMiddleware, report_request
from handlers.server.middleware.media_type import MediaTypeMiddleware
from handlers.server.middleware.parameters import ContractParameterValidator
from handlers.server.middleware.problems import ERROR_HANDLERS
from handlers.server.middleware.response_validation import compiled_validators
from handlers.server.middleware.routing import ExactRoutingMiddleware
from handlers.server.settings import ENVIRONMENT_PREFIX, Settings
from handlers.server.watching import watch
from handlers.server.wire.shedding import LoadShedder
from handlers.server.wire.tls import create_tls, keep_renewed
from handlers.streams import Streams
from models.errors import ModelConfigError, ModelNotFoundError, ModelsError
from models.repository.folder import find_models, read_folder
from models.runtime.engine import Engine
from models.runtime.reload import Reload, Reloader
from models.runtime.served import ServedModels
from models.runtime.trial import Trial
from models.scheduling.lanes import Lanes

logger = logging.getLogger("framehook")

OPEN = "everybody who reaches this port may use it: no credentials are set up"

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
    "list_custom_models": deepstack.list_custom_models,
    "get_update_state": deepstack.get_update_state,
    "list_models": catalog.list_models,
    "get_model": catalog.get_model,
    "reload_model": catalog.reload_model,
    "list_streams": live.list_streams,
    "show_stream": live.show_stream,
    "watch_stream": live.watch_stream,
    "get_console": console.get_console,
    "get_console_js": console.get_console_js,
    "get_console_css": console.get_console_css,
    "get_liveness": service.get_liveness,
    "get_readiness": service.get_readiness,
    "get_metrics": service.get_metrics,
    "get_contract_yaml": service.get_contract_yaml,
    "get_contract_json": service.get_contract_json,
}
"""operationId → function."""


def create_app(settings: Settings, give_up: Callable[[], None]) -> AsyncApp:
    """Return the ASGI application.

    The models are loaded in the background once the server starts; until then the service is live but not ready.
    When one cannot be loaded, the cause is logged and `give_up` is called on the event loop. Raises ModelsError when
    the repository itself cannot be read, and ConfigurationError when a setting names what is not there.
    """
    # connexion warns six times a request, and of every unknown parameter.
    logging.getLogger("connexion").setLevel(logging.CRITICAL)
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # of every malformed form
    security = create_security(settings)
    if not (security.is_on or is_loopback(settings.host)):
        logger.warning(OPEN, extra={"facts": {"host": settings.host}})
    contract = read_contract(security, settings.api_key_header)
    dataplane = create_dataplane(settings)
    engine = dataplane.engine
    budget = BytesBudget(settings.max_bytes_in_flight, engine.served.lanes.retry_after_s)
    tls = create_tls(settings)
    metrics = Metrics(engine, budget, dataplane.streams, tls)
    report = partial(report_request, count=metrics.count)
    shedder = LoadShedder(engine, contract.operations_with_body, settings.max_body_bytes, report)
    reloader = create_reloader(settings, engine, metrics.count_reload)
    served = contract.as_yaml, contract.as_json
    context = Context(dataplane, reloader, *served, metrics.as_text, security.recognition.challenges)
    app = AsyncApp(
        __name__,
        lifespan=partial(
            _lifespan,
            state={"context": context, "shedder": shedder, "report": report}
            | ({"tls": tls, "count_handshake_failure": metrics.count_handshake_failure} if tls else {}),
            settings=settings,
            give_up=give_up,
            close=security.recognition.close,
        ),
        middlewares=_middlewares(settings, contract, budget, report),
        resolver=Resolver(OPERATIONS.__getitem__),
        pythonic_params=True,
        security_map=security.handlers(contract.permissions, contract.operations_with_form),
        swagger_ui_options=SwaggerUIOptions(serve_spec=False),
        validate_responses=settings.validate_responses,
        validator_map={"parameter": ContractParameterValidator, "body": {FORM_TYPE: UnparsedForm}}
        | ({"response": compiled_validators()} if settings.validate_responses else {}),
    )
    for error, handler in ERROR_HANDLERS.items():
        app.add_error_handler(error, handler)
    app.add_api(contract.document)
    return app


def create_security(settings: Settings) -> Security:
    """Return what recognises callers; raises ConfigurationError when a credential is not as it should be."""
    credentials: tuple[Credential, ...] = ()
    if settings.credentials_file:
        credentials += read_credentials_file(settings.credentials_file)
    if settings.credentials:
        credentials += read_credentials(settings.credentials.get_secret_value(), "The setting credentials")
    if not credentials and settings.model_fields_set & {"credentials_file", "credentials", "anonymous_may"}:
        raise ConfigurationError(
            "There are no credentials, yet credentials_file, credentials or anonymous_may is set: everybody could "
            "come in. Add some (framehook credentials add), or leave these settings away."
        )
    recognition = Recognition(unique(credentials), settings.api_key_header, digest_md5=settings.digest_md5)
    shut_out = next((each for each in credentials if not recognition.knows(each)), None)
    if shut_out:
        raise ConfigurationError(f"The credential {shut_out.name} is for Digest with MD5 alone; digest_md5 is not set.")
    return Security(recognition, settings.anonymous_may, settings.default_model)


def is_loopback(host: str) -> bool:
    """Tell whether an address to listen on can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def create_dataplane(settings: Settings) -> DataPlane:
    """Return what answers frames, its models not yet loaded; raises as `create_engine`."""
    codec = LaneCodec(Decoder(settings.max_pixels, settings.decoding), ENCODERS | DIALECT_ENCODERS)
    return DataPlane(create_engine(settings, codec), codec, Streams(settings.max_viewers))


def create_engine(settings: Settings, codec: LaneCodec) -> Engine:
    """Return the engine for the configured repository, its models not yet loaded.

    Raises ModelConfigError, but for a broken folder only when the service should stop then, and ConfigurationError when
    the default model is none of them.
    """
    folders, broken = [], {}
    for name, path in find_models(settings.model_repository, settings.models).items():
        try:
            folders.append(read_folder(path))
        except ModelConfigError as error:
            if settings.on_broken_model == "stop":
                raise
            broken[name] = str(error)
    lanes = Lanes(settings.lanes, settings.queue_size, settings.queue_timeout_s)
    try:
        served = ServedModels(folders, settings.default_model, lanes, broken)
    except ModelNotFoundError as error:
        names = ", ".join(folder.name for folder in folders)
        raise ConfigurationError(f"The setting default_model must be one of the models served: {names}.") from error
    return Engine(served, codec, settings.run_timeout_s, wide_lane=settings.wide_lane)


def create_reloader(settings: Settings, engine: Engine, count: Callable[[Reload], None]) -> Reloader:
    """Return what brings the engine into step with the repository; `count` hears of every change."""
    trial = Trial(
        settings.lanes if settings.wide_lane else 1,
        settings.run_timeout_s,
        settings.trial_timeout_s,
        settings.trial_max_bytes,
        {name: value for name, value in os.environ.items() if not name.startswith(ENVIRONMENT_PREFIX)},  # no secrets
    )

    def report(reload: Reload) -> None:
        count(reload)
        facts = {"model": reload.model, "version": reload.version, "reason": reload.reason}
        level = logging.ERROR if reload.change == "rejected" else logging.INFO
        logger.log(level, "model %s", reload.change, extra={"facts": facts})

    return Reloader(engine, settings.model_repository, settings.models, trial, report)


def _middlewares(settings: Settings, contract: Contract, budget: BytesBudget, report: Report) -> list[Any]:
    """Return the whole stack, outermost first."""
    with_body = frozenset(contract.operations_with_body.values())
    return [
        partial(RequestLogMiddleware, report=report),
        ExceptionMiddleware,
        partial(BodyLimitMiddleware, max_body_bytes=settings.max_body_bytes),
        SwaggerUIMiddleware,
        ExactRoutingMiddleware,
        SecurityMiddleware,
        partial(AdmissionMiddleware, operations=with_body, budget=budget),
        partial(MediaTypeMiddleware, operations_with_body=with_body),
        RequestValidationMiddleware,
        ResponseValidationMiddleware,
        LifespanMiddleware,
        ContextMiddleware,
    ]


@asynccontextmanager
async def _lifespan(
    _: AsyncApp, state: dict[str, Any], settings: Settings, give_up: Callable[[], None], close: Callable[[], None]
) -> AsyncIterator[dict[str, Any]]:
    """Have the models loaded and watched, and the parts known to every request and connection; end them all.

    `close`: ends what else has threads.
    """
    _use_batch_scheduling()
    context: Context = state["context"]
    engine = context.engine
    loading = asyncio.create_task(asyncio.to_thread(engine.load, tolerant=settings.on_broken_model == "wait"))
    loading.add_done_callback(partial(_loaded, engine=engine, give_up=give_up))
    background = [asyncio.create_task(give_back_memory()), asyncio.create_task(context.streams.paint())]
    if settings.watch_models:
        background.append(asyncio.create_task(watch(settings.model_repository, context.reloader, loading)))
    if "tls" in state:
        background.append(asyncio.create_task(keep_renewed(state["tls"])))
    yield state
    for task in background:
        task.cancel()
    context.reloader.close()
    close()
    await asyncio.wait([loading, *background])
    await asyncio.to_thread(engine.close)


def _use_batch_scheduling() -> None:
    """Have the kernel not interrupt a lane for every request that arrives; the event loop works in batches then.

    For the calling thread only. Each interruption costs both of them their caches: docs/maintainers/performance.md.
    """
    with suppress(AttributeError, OSError):  # where there is no such policy, or it is forbidden
        os.sched_setscheduler(0, os.SCHED_BATCH | os.SCHED_RESET_ON_FORK, os.sched_param(0))


def _loaded(loading: asyncio.Task[None], engine: Engine, give_up: Callable[[], None]) -> None:
    """Say how the loading ended; without models there is no point in going on, whatever the cause."""
    error = loading.exception()
    if error is None:
        for name, reason in engine.served.broken.items():
            logger.error("model broken", extra={"facts": {"model": name, "reason": reason}})
        if not engine.served.broken:
            logger.info("ready", extra={"facts": {"models": [model.name for model in engine.served.models]}})
        return
    logger.critical(str(error), exc_info=None if isinstance(error, ModelsError) else error)
    give_up()
