"""`framehook models`: lists the models of the repository; its actions bring new ones."""

import argparse
import json

from handlers.encoding.model_record import model_record
from handlers.server.commands import init, pull
from handlers.server.commands.options import settings_options
from handlers.server.settings import Settings
from models.repository.folder import find_models, read_folder

SETTINGS = ("model_repository", "models", "default_model", "default_model_aliases")
ACTIONS = (init, pull)
"""In the order in which the help text lists them."""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command, its options and its actions."""
    parser = commands.add_parser(
        "models",
        help="list the models of the repository, or bring new ones",
        description="List the models of the repository: one JSON line per model, with the same data as GET /models. "
        "With an action, bring a new one.",
        parents=[settings_options(SETTINGS)],
        allow_abbrev=False,
    )
    parser.set_defaults(command=models)
    actions = parser.add_subparsers(metavar="ACTION", title="actions")
    for action in ACTIONS:
        action.add_to(actions)


def models(settings: Settings, _: argparse.Namespace) -> int:
    """Print the record of each model, one JSON line each. Raises ModelConfigError for a folder that is wrong."""
    paths = find_models(settings.model_repository, settings.models)
    aliases = {alias: settings.default_model for alias in settings.default_model_aliases if alias not in paths}
    for path in paths.values():
        print(json.dumps(model_record(read_folder(path), aliases), ensure_ascii=False))
    return 0
