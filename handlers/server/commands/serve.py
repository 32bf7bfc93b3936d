"""`framehook serve`: runs the service."""

import argparse
import signal
import sys

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
    """Serve until a signal ends it. Return 1 if a model cannot be loaded, else 0.

    Raises ConfigurationError if the port cannot be opened. On a terminal, says at which address a browser finds it.
    """
    # The web application, which no other command imports.
    from handlers.server.app import create_app  # noqa: PLC0415
    from handlers.server.middleware import logs  # noqa: PLC0415
    from handlers.server.wire.http_server import create_server  # noqa: PLC0415

    heap.keep_one()
    say = logs.configure(settings.log_level)
    failed = False

    def loaded(is_ready: bool) -> None:  # noqa: FBT001  # a callback
        nonlocal failed
        if not is_ready:
            server.should_exit = failed = True
        elif sys.stderr and sys.stderr.isatty():
            say(f"framehook is ready: open {server.address} (Ctrl-C to stop)")

    server = create_server(settings, create_app(settings, loaded))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the terminal may be closed
    server.run()
    return FAILED if failed or not server.started else 0
