"""`framehook models`: lists the models of the repository; its actions bring new ones."""

import argparse
from collections.abc import Mapping
from typing import Any

from handlers.encoding.model_record import model_record
from handlers.server.commands import init, pull
from handlers.server.commands.options import settings_options
from handlers.server.commands.printing import add_format_to, print_records
from handlers.server.settings import Settings
from models.repository.folder import find_models, read_folder

SETTINGS = ("model_repository", "models", "default_model")
ACTIONS = (init, pull)
"""In the order in which the help text lists them."""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command, its options and its actions."""
    parser = commands.add_parser(
        "models",
        help="list the models of the repository, or bring new ones",
        description="List the models of the repository; in JSON with the same data as GET /models. With an action, "
        "bring a new one.",
        parents=[settings_options(SETTINGS)],
        allow_abbrev=False,
    )
    add_format_to(parser)
    parser.set_defaults(command=models)
    actions = parser.add_subparsers(metavar="ACTION", title="actions")
    for action in ACTIONS:
        action.add_to(actions)


def models(settings: Settings, options: argparse.Namespace) -> int:
    """Print the record of each model. Raises ModelConfigError for a folder that is wrong."""
    paths = find_models(settings.model_repository, settings.models)
    aliases = {alias: settings.default_model for alias in settings.default_model_aliases if alias not in paths}
    records = [model_record(read_folder(path), aliases) for path in paths.values()]
    print_records(options.format, records, _row)
    return 0


def _row(record: Mapping[str, Any]) -> dict[str, Any]:
    size = record["inputSize"]
    return {
        "name": record["name"],
        "family": record["family"],
        "input": f"{size['width']}x{size['height']}",
        "licence": record["licence"],
        "labels": record["labels"],
    }
