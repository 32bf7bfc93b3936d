"""`framehook models pull`: brings a model of the catalogue into a model repository."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from handlers.errors import ConfigurationError
from handlers.server.commands.check import check_folder
from handlers.server.commands.options import settings_options
from handlers.server.commands.printing import TABLE, add_format_to, print_records
from handlers.server.settings import Settings
from models.catalogue.entries import Catalogue, Entry, read_catalogue
from models.catalogue.pulling import Staged, refuse_existing, staged
from models.errors import ModelConfigError, PullError
from models.repository.folder import BUILT_IN_ZOO

SETTINGS = ("model_repository", "model_mirror")


def add_to(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the action and its options."""
    parser = actions.add_parser(
        "pull",
        help="bring a model of the catalogue, or list the catalogue",
        description="Bring a model of the catalogue into the first folder of --model-repository that is not the "
        "built-in one: download it, compare its size and sha256, and check it. Without NAME, list the catalogue.",
        parents=[settings_options(SETTINGS)],
        allow_abbrev=False,
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="a model of the catalogue")
    parser.add_argument("--from", dest="file", type=Path, metavar="FILE", help="take this file instead of a download")
    parser.add_argument("--overwrite", action="store_true", help="replace a folder that has the name already")
    parser.add_argument("--no-check", action="store_true", help="do not run `framehook check` on the model")
    add_format_to(parser)
    parser.set_defaults(command=pull)


def pull(settings: Settings, options: argparse.Namespace) -> int:
    """Bring a model, or list the catalogue.

    Raises ConfigurationError when no folder is named, and PullError when the model cannot be had.
    """
    catalogue = read_catalogue()
    if options.name is None:
        _list(catalogue, options.format)
        return 0
    entry = catalogue.find(options.name)
    root = _own_repository(settings)
    if not options.overwrite:
        refuse_existing(root / options.name)
    with staged(options.name, entry, root) as model:
        if options.file:
            model.copy(options.file)
        else:
            _download(model, settings.model_mirror)
        model.write(catalogue.texts(entry))
        if not options.no_check:
            _check(model)
        folder = model.publish(overwrite=options.overwrite)
    print(f"ok: {folder} ({entry.size_bytes / 1e6:.1f} MB, {entry.licence})")
    print(f"    serve it: framehook serve --model-repository {root} --default-model {options.name}")
    return 0


def _list(catalogue: Catalogue, form: str) -> None:
    print_records(form, [_record(name, entry) for name, entry in catalogue.models.items()], _row)
    if form == TABLE:
        print("AP: on COCO val2017 in percent, as published.")


def _record(name: str, entry: Entry) -> dict[str, Any]:
    return {
        "name": name,
        "sizeBytes": entry.size_bytes,
        "ap": entry.published.map if entry.published else None,
        "licence": entry.licence,
        "from": entry.urls[0],
    }


def _row(record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": record["name"],
        "MB": round(record["sizeBytes"] / 1e6, 1),
        "AP": record["ap"],
        "licence": record["licence"],
        "from": record["from"],
    }


def _own_repository(settings: Settings) -> Path:
    """Return the first repository that is not the built-in one, which belongs to the package."""
    for root in settings.model_repository:
        if root != BUILT_IN_ZOO:
            return root
    raise ConfigurationError(
        "Name the folder for the model: --model-repository FOLDER, or FRAMEHOOK_MODEL_REPOSITORY. "
        "Nothing is added to the built-in models."
    )


def _download(model: Staged, mirror: str | None) -> None:
    """Download the weights; on a terminal, show a progress bar."""
    with tqdm(total=model.entry.size_bytes, unit="B", unit_scale=True, leave=False, disable=None) as bar:

        def report(there_bytes: int) -> None:
            bar.update(there_bytes - bar.n)

        model.download(mirror, report)


def _check(model: Staged) -> None:
    """Check the folder before it is published. Raises PullError, and then the folder stays where it is."""
    picture = model.entry.picture
    print(f"checked on the golden picture of {picture.of}, which shows a {picture.shows}:")
    try:
        check_folder(model.folder, picture.path)
    except ModelConfigError as error:
        raise PullError(
            f"{error} The file is the one of the catalogue and stays in {model.folder.parent}, but this version of "
            "framehook or onnxruntime cannot serve it. --no-check adds it nevertheless."
        ) from error
