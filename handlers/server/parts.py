"""Makes the parts of the service that know nothing of the web application; the command line uses them, too."""

import logging
from collections.abc import Callable
from copy import copy
from functools import partial

from handlers.dataplane import DataPlane
from handlers.decoding.decoder import Decoder
from handlers.deepstack.predictions import ENCODERS as DIALECT_ENCODERS
from handlers.encoding.encoders import ENCODERS
from handlers.encoding.lane_codec import LaneCodec
from handlers.errors import ConfigurationError
from handlers.server.access.credentials import Credential, read_credentials, read_credentials_file, unique
from handlers.server.access.recognition import Recognition
from handlers.server.settings import Settings
from handlers.server.settings_sources import ENVIRONMENT_PREFIX
from handlers.streams.live_view import LiveStreams
from handlers.streams.settings_files import SettingsOfStreams
from models.errors import ModelConfigError, ModelNotFoundError
from models.repository.folder import find_models, read_folder, reason_for_clients
from models.runtime.engine import Engine
from models.runtime.isolated import ModelHost, ProcessLoader
from models.runtime.loading import ThreadLoader
from models.runtime.reload import Reload, Reloader
from models.runtime.served import ServedModels
from models.runtime.trial import Trial
from models.scheduling.lanes import Lanes
from models.workers.process import ProcessWorker, environment_without
from models.workers.worker import CallingThread, QuietThread, Worker

PAINTER_NICENESS = 10
"""Of the lane that draws pictures for viewers: the other lanes and the event loop come first."""
PAINTER_LIMIT_S = 5.0
"""How long one of these pictures may take."""
PREFIXES_OF_SECRETS = (ENVIRONMENT_PREFIX, "OTEL_")
"""Of the variables that lanes and trials do not get: the settings, and where traces are sent, with which credential."""
GRACE_S = 0.25
"""How much longer than a run a whole frame may take on its lane, before its process is killed."""

logger = logging.getLogger("framehook")


def create_dataplane(settings: Settings, engine: Engine | None = None) -> DataPlane:
    """Return what answers frames. Its models are not loaded yet. `engine`: by default one on this machine.

    Raises the errors of `create_engine`, and ConfigurationError when the settings of a stream are wrong.
    """
    codec = create_codec(settings)
    live = LiveStreams(settings.max_viewers, create_painter(settings, codec.decoder))
    return DataPlane(engine or create_engine(settings, codec), codec, live, SettingsOfStreams(settings.streams))


def create_codec(settings: Settings) -> LaneCodec:
    """Return both ends of a frame on its lane."""
    return LaneCodec(Decoder(settings.max_pixels, settings.decoding), ENCODERS | DIALECT_ENCODERS)


def create_painter(settings: Settings, decoder: Decoder) -> Lanes:
    """Return the lane that draws the pictures which viewers of streams see."""
    create_worker: Callable[[], Worker] = partial(QuietThread, decoder, PAINTER_NICENESS)
    if settings.isolation == "process":
        environment = environment_without(*PREFIXES_OF_SECRETS)
        create_worker = partial(ProcessWorker, partial(copy, decoder), environment, PAINTER_NICENESS)
    return Lanes(1, 1, settings.queue_timeout_s, PAINTER_LIMIT_S, create_worker)


def create_engine(settings: Settings, codec: LaneCodec) -> Engine:
    """Return the engine for the configured repository, its models not yet loaded.

    Raises as `create_served` does.
    """
    threads = partial(ThreadLoader, codec, settings.run_timeout_s, settings.lanes if settings.wide_lane else 1)
    create_worker: Callable[[], Worker] = CallingThread
    if settings.isolation == "process":
        environment = environment_without(*PREFIXES_OF_SECRETS)
        create_worker = partial(ProcessWorker, partial(ModelHost, threads), environment)
    limit_s = settings.run_timeout_s + GRACE_S
    lanes = Lanes(settings.lanes, settings.queue_size, settings.queue_timeout_s, limit_s, create_worker)
    served = create_served(settings, lanes)
    return Engine(served, ProcessLoader(threads()) if settings.isolation == "process" else threads())


def create_served(settings: Settings, lanes: Lanes) -> ServedModels:
    """Return the table of the models in the configured repository, on these lanes; none is loaded yet.

    A broken folder raises ModelConfigError if `on_broken_model` is `stop`; else it is listed as broken. Raises
    ConfigurationError if the default model is not among the models.
    """
    folders, broken = [], {}
    for name, path in find_models(settings.model_repository, settings.models).items():
        try:
            folders.append(read_folder(path))
        except ModelConfigError as error:
            if settings.on_broken_model == "stop":
                raise
            broken[name] = reason_for_clients(error, settings.model_repository)
    try:
        return ServedModels(folders, settings.default_model, lanes, broken, settings.default_model_aliases)
    except ModelNotFoundError as error:
        names = ", ".join(folder.name for folder in folders)
        raise ConfigurationError(f"The setting default_model must be one of the models served: {names}.") from error


def with_only_model(settings: Settings) -> Settings:
    """Return the settings with the only model of the repository as the default one, unless a default is configured."""
    if "default_model" in settings.model_fields_set:
        return settings
    try:
        names = [*find_models(settings.model_repository, settings.models)]
    except ModelConfigError:  # a command that needs models says so
        return settings
    return settings.model_copy(update={"default_model": names[0]}) if len(names) == 1 else settings


def create_reloader(settings: Settings, engine: Engine, count: Callable[[Reload], None]) -> Reloader:
    """Return what loads changed models into the engine. `count` is called with every change, for the metrics."""
    trial = Trial(
        settings.lanes if settings.wide_lane else 1,
        settings.run_timeout_s,
        settings.trial_timeout_s,
        environment_without(*PREFIXES_OF_SECRETS),
    )

    def report(reload: Reload) -> None:
        count(reload)
        facts = {"model": reload.model, "version": reload.version, "reason": reload.reason}
        level = logging.ERROR if reload.change == "rejected" else logging.INFO
        logger.log(level, "model %s", reload.change, extra={"facts": facts})

    return Reloader(engine, settings.model_repository, settings.models, trial, report)


def create_recognition(settings: Settings) -> Recognition:
    """Return what identifies callers by their credentials.

    Raises ConfigurationError if a credential is wrong, or if a setting about credentials is set and there are none.
    """
    credentials: tuple[Credential, ...] = ()
    if settings.credentials_file:
        credentials += read_credentials_file(settings.credentials_file)
    if settings.credentials:
        credentials += read_credentials(settings.credentials.get_secret_value(), "The setting credentials")
    if not credentials and settings.model_fields_set & {"credentials_file", "credentials", "anonymous_may"}:
        raise ConfigurationError(
            "There are no credentials, yet credentials_file, credentials or anonymous_may is set: everybody could "
            "come in. Add some (framehook credentials add), or leave these settings out."
        )
    recognition = Recognition(unique(credentials), settings.api_key_header, digest_md5=settings.digest_md5)
    shut_out = next((each for each in credentials if not recognition.accepts(each)), None)
    if shut_out:
        raise ConfigurationError(f"The credential {shut_out.name} is for Digest with MD5 alone; digest_md5 is not set.")
    return recognition
