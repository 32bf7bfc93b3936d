"""`framehook prepare`: writes a copy of a model that is cheaper to serve."""

import argparse
from pathlib import Path

from handlers.errors import ConfigurationError
from handlers.server.settings import Settings
from models.extras import how_to_install


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its arguments; it uses no setting."""
    parser = commands.add_parser(
        "prepare",
        help="write a copy of a model that is cheaper to serve",
        description="Write a copy of a model that is cheaper to serve: work that is done for each frame moves into the "
        "graph or is left out. Both models are run on the same pictures, and the copy is only kept if their "
        f"results agree. Needs an extra: {how_to_install('prepare')}.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "model_folder", type=Path, metavar="MODEL_FOLDER", help="the folder of the model, with its model.yaml"
    )
    parser.add_argument("output_folder", type=Path, metavar="OUTPUT_FOLDER", help="the folder to create")
    parser.set_defaults(command=prepare)


def prepare(_: Settings, options: argparse.Namespace) -> int:
    """Write the prepared model, and print what was changed. Raises ConfigurationError and ModelConfigError."""
    try:
        from models.preparation.folder import prepare_folder  # noqa: PLC0415  # an extra, which serving does without
    except ImportError as error:
        raise ConfigurationError(f"Preparing a model needs onnx: {how_to_install('prepare')}.") from error
    preparation = prepare_folder(options.model_folder, options.output_folder)
    print(f"ok: {options.output_folder} {', '.join(preparation.steps)}")
    print(f"ok: both models agree; the largest difference of a confidence or corner is {preparation.difference:.2g}")
    return 0
