"""`framehook serve`: runs the service."""

import argparse
import signal
from contextlib import suppress

from handlers.server.commands.options import ALL_SETTINGS, settings_options
from handlers.server.settings import Settings
from models.workers import heap

FAILED = 1


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its options: all settings."""
    parser = commands.add_parser(
        "serve",
        usage="framehook serve [OPTION ...]",
        help="serve the models over HTTP",
        description="Serve the models over HTTP, until SIGTERM or Ctrl-C. The log is written to standard error, one "
        "JSON line per event.",
        parents=[settings_options(ALL_SETTINGS)],
        allow_abbrev=False,
    )
    parser.set_defaults(command=serve)


def serve(settings: Settings, _: argparse.Namespace) -> int:
    """Serve until a signal ends it. Return 1 if a model cannot be loaded or the port cannot be opened, else 0."""
    # The web application, which no other command imports.
    from handlers.server.app import create_app  # noqa: PLC0415
    from handlers.server.middleware import logs  # noqa: PLC0415
    from handlers.server.wire.http_server import create_server  # noqa: PLC0415

    heap.keep_one()
    logs.configure(settings.log_level)
    failed = False

    def give_up() -> None:
        nonlocal failed
        failed = True
        server.should_exit = True

    server = create_server(settings, create_app(settings, give_up))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the terminal may be closed
    with suppress(SystemExit):  # uvicorn has logged why it cannot listen
        server.run()
    return FAILED if failed or not server.started else 0
