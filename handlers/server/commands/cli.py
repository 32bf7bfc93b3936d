"""The command line: one module per command."""

import argparse
import difflib
import os
import re
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import NoReturn

from conformance.errors import ConformanceError
from handlers.errors import ConfigurationError, EdgeError
from handlers.server.commands import check, credentials, infer, models, prepare, serve
from handlers.server.commands.conforming import conform, doctor
from handlers.server.commands.playing import play
from handlers.server.parts import with_only_model
from handlers.server.settings import Settings
from handlers.server.settings_sources import CONFIG_NAME, read_settings
from models.errors import ModelsError
from player.errors import PlayerError

COMMANDS = (serve, infer, play, models, check, prepare, credentials, conform, doctor)
"""In the order in which the help text lists them."""
FAILED, MISUSED, INTERRUPTED = 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, 1 for a failure, 2 for a usage error, 130 for Ctrl-C.

    Ctrl-C kills `infer` and `check` by its signal, so they have no exit status then.
    """
    parser = create_parser()
    words = sys.argv[1:] if arguments is None else arguments
    if not words:
        parser.print_help(sys.stderr)
        return MISUSED
    options = parser.parse_args(words)
    given = {name: value for name, value in vars(options).items() if name in (*Settings.model_fields, CONFIG_NAME)}
    try:
        status: int = options.command(with_only_model(read_settings(given, os.environ)), options)
    except ConformanceError as error:
        print(f"framehook: {error}", file=sys.stderr)
        return MISUSED  # a failure is what is wrong with the server
    except (ConfigurationError, EdgeError, ModelsError, PlayerError) as error:
        print(f"framehook: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output has closed it, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return status


class _Parser(argparse.ArgumentParser):
    """Suggests the command that is nearest to an unknown one, as Python 3.14 does."""

    def error(self, message: str) -> NoReturn:
        wrong = re.search("invalid choice: '(.*)' \\(choose from (.*)\\)", message)
        near = difflib.get_close_matches(wrong[1], re.findall(r"\w+", wrong[2]), 1) if wrong else []
        super().error(f"{message}; did you mean {near[0]}?" if near else message)


def create_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = _Parser(
        prog="framehook",
        description="Finds objects, classes and text in video frames: models in, JSON out, over HTTP or from files.",
        epilog="framehook COMMAND --help explains a command and its options.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"framehook {version('framehook')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    for command in COMMANDS:
        command.add_to(commands)
    return parser
