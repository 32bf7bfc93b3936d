"""The command line: one module per command."""

import argparse
import os
import sys
from collections.abc import Sequence

from handlers.errors import ConfigurationError, EdgeError
from handlers.server.commands import check, credentials, infer, models, prepare, serve
from handlers.server.settings import Settings
from handlers.server.settings_sources import CONFIG_NAME, read_settings
from models.errors import ModelsError

COMMANDS = (serve, infer, models, check, prepare, credentials)
"""In the order in which the help text lists them."""
FAILED, INTERRUPTED = 1, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, 1 for a failure, 2 for a usage error, 130 for Ctrl-C.

    Ctrl-C kills `infer` and `check` by its signal, so they have no exit status then.
    """
    options = create_parser().parse_args(arguments)
    given = {name: value for name, value in vars(options).items() if name in (*Settings.model_fields, CONFIG_NAME)}
    try:
        status: int = options.command(read_settings(given, os.environ), options)
    except (ConfigurationError, EdgeError, ModelsError) as error:
        print(f"framehook: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output has closed it, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return status


def create_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="framehook",
        description="Finds objects, classes and text in video frames: models in, JSON out, over HTTP or from files.",
        epilog="framehook COMMAND --help explains a command and its options.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    for command in COMMANDS:
        command.add_to(commands)
    return parser
