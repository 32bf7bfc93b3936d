"""The command line: the same functions that the operations call."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from handlers.errors import ConfigurationError, EdgeError
from handlers.server.app import create_app
from handlers.server.commands import credentials_command, model_commands
from handlers.server.memory import keep_one_heap
from handlers.server.middleware import logs
from handlers.server.settings import CONFIG_NAME, ENVIRONMENT_PREFIX, Settings, read_settings
from handlers.server.wire.http_server import create_server
from models.errors import ModelsError

FAILED, INTERRUPTED = 1, 130
SECRETS = {"credentials"}
"""Settings that are no options: everybody on a machine can read the command lines of its processes."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, 1 when it failed, 2 when called wrongly, 130 on Ctrl-C.

    `infer` and `check` are ended by Ctrl-C itself, and have no status but the signal.
    """
    options = _parser().parse_args(arguments)
    given = {name: value for name, value in vars(options).items() if name in (*Settings.model_fields, CONFIG_NAME)}
    try:
        status: int = options.command(read_settings(given, os.environ), options)
    except (ConfigurationError, EdgeError, ModelsError) as error:
        print(f"framehook: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # whoever read our answers has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return status


def serve(settings: Settings, _: argparse.Namespace) -> int:
    """Serve until told to stop; 1 when a model cannot be loaded."""
    keep_one_heap()
    logs.configure(settings.log_level)
    failed = False

    def give_up() -> None:
        nonlocal failed
        failed = True
        server.should_exit = True

    server = create_server(settings, create_app(settings, give_up))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the terminal may be closed
    with suppress(SystemExit):  # uvicorn has said why it cannot listen
        server.run()
    return FAILED if failed or not server.started else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="framehook", description="Inference for video pipelines, over HTTP.")
    settings = _settings_parser()
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serve_parser = commands.add_parser("serve", help="serve over HTTP", parents=[settings], allow_abbrev=False)
    serve_parser.set_defaults(command=serve)
    model_commands.add_to(commands, settings)
    credentials_command.add_to(commands)
    return parser


def _settings_parser() -> argparse.ArgumentParser:
    """Return a parser with one option a setting; what is not given stays absent."""
    parser = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    group = parser.add_argument_group("settings", f"each also as {ENVIRONMENT_PREFIX}NAME in the environment")
    group.add_argument(f"--{CONFIG_NAME}", metavar="FILE", help="YAML file with settings")
    for name, field in Settings.model_fields.items():
        if name in SECRETS:
            continue
        default = "" if field.default_factory else f" Default: {field.default}."
        option, text = f"--{name.replace('_', '-')}", f"{field.description}{default}"
        alone: dict[str, Any] = {"nargs": "?", "const": "true"} if field.annotation is bool else {}
        group.add_argument(option, metavar="VALUE", help=text, **alone)
    return parser
