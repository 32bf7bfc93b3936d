"""Chains in the repository: what model.yaml may say under `then`, and the versions and copies of chained models."""

import shutil
from contextlib import closing
from pathlib import Path

import pytest

from lab.graphs import write_identity_model
from models.errors import ModelConfigError
from models.repository.chains import chained_folders
from models.repository.checksums import checked_version
from models.repository.copies import FolderCopy
from models.repository.folder import read_folder
from tests.support.models.chains import planted_boxes, write_then
from tests.support.models.pages import write_reader

BOX = (0.1, 0.1, 0.9, 0.9)


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    """The folder of a model with the labels `thing` and `other`; the identity model lies beside it."""
    write_identity_model(tmp_path)
    return planted_boxes(tmp_path, [BOX], ("thing", "other"))


def fault_of(folder: Path) -> str:
    with pytest.raises(ModelConfigError) as raised:
        read_folder(folder)
    return str(raised.value)


FAULTS = {
    "itself": (["{model: planted}"], "then.0.model: expected another model than this one."),
    "twice": (["{model: identity}"] * 2, "then.1.model: identity stands there already."),
    "a label that it lacks": (
        ["{model: identity, labels: [thing, unicorn]}"],
        "then.0.labels: unicorn is no label of this model.",
    ),
    "no labels": (["{model: identity, labels: []}"], "then.0.labels: a list should have at least 1 item"),
    "no model": (["{labels: [thing]}"], "then.0.model: Field required."),
    "a path": (["{model: ../identity}"], "then.0.model: String should match pattern"),
    "an unknown key": (["{model: identity, marign: 1}"], "then.0.marign: no such key."),
    "a margin over 1": (["{model: identity, margin: 1.5}"], "then.0.margin: Input should be less than or equal to 1."),
    "too many crops": (["{model: identity, max_crops: 33}"], "then.0.max_crops: Input should be less"),
    "no crops": (["{model: identity, max_crops: 0}"], "then.0.max_crops: Input should be greater"),
    "too many models": ([f"{{model: m{number}}}" for number in range(5)], "then: a list should have at most 4 items"),
    "no list": (["- identity"], "then.0: expected keys with values."),
}


@pytest.mark.parametrize(("links", "fault"), FAULTS.values(), ids=FAULTS)
def test_a_wrong_link_is_refused_with_its_key(parent: Path, links: list[str], fault: str) -> None:
    for number in range(5):
        shutil.copytree(parent.parent / "identity", parent.parent / f"m{number}")
    message = fault_of(write_then(parent, *links))
    assert message.startswith(f"{parent / 'model.yaml'}: {fault}")


def test_a_missing_chained_model_is_refused(parent: Path) -> None:
    assert fault_of(write_then(parent, "{model: gone}")) == (
        f"{parent / 'model.yaml'}: then: there is no folder gone beside planted."
    )


def test_a_broken_chained_model_is_refused_with_its_own_fault(parent: Path) -> None:
    write_then(parent, "{model: identity}")
    (parent.parent / "identity" / "labels.txt").write_text("a,b")
    assert fault_of(parent).startswith(f"{parent.parent / 'identity' / 'labels.txt'}, line 1")


def test_a_chain_has_two_models(parent: Path) -> None:
    """So none is endless, either."""
    write_then(parent, "{model: identity}")
    write_then(parent.parent / "identity", "{model: planted}")
    fault = "has a section then of its own; a chain has two models."
    assert fault_of(parent) == f"{parent / 'model.yaml'}: then.0.model: identity {fault}"
    assert fault_of(parent.parent / "identity").endswith(f"planted {fault}")


def test_a_model_that_finds_no_objects_can_give_none_on(parent: Path) -> None:
    reader = write_then(write_reader(parent.parent), "{model: identity}")
    assert fault_of(reader).endswith("then: only a model that finds objects can give them on, not ppocr.")


def test_the_version_covers_chained_models(parent: Path) -> None:
    alone = read_folder(parent).version
    write_then(parent, "{model: identity}")
    folder = read_folder(parent)
    (parent.parent / "identity" / "notes.txt").write_text("x")
    changed = read_folder(parent)
    assert len({alone, folder.version, changed.version}) == 3
    assert [each.version for each in changed.chained] == [read_folder(parent.parent / "identity").version]
    write_identity_model(parent.parent, "other")
    assert read_folder(parent).version == changed.version, "other folders do not count"


def test_a_copy_has_the_chained_models_beside_it(parent: Path) -> None:
    write_then(parent, "{model: identity}")
    folder = read_folder(parent)
    with closing(FolderCopy(parent)) as copy:
        assert checked_version(copy.path) == folder.version
        assert [each.path.parent for each in read_folder(copy.path).chained] == [copy.path.parent]
        with closing(FolderCopy(copy.path)) as again:
            assert folder.at(again.path) == read_folder(again.path)


def test_a_fault_in_a_copy_names_the_original(parent: Path) -> None:
    write_then(parent, "{model: identity}")
    with closing(FolderCopy(parent)) as copy:
        (copy.path.parent / "identity" / "model.yaml").write_text("x")
        with pytest.raises(ModelConfigError) as raised:
            read_folder(copy.path)
        assert str(copy.original(raised.value)).startswith(f"{parent.parent / 'identity' / 'model.yaml'}: ")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "then",
        "then:",
        "then: {model: identity}",
        "then: [identity, [identity], {model: 7}, {model: ../x}]",
        "- then",
    ],
)
def test_names_are_read_from_anything(parent: Path, text: str) -> None:
    (parent / "model.yaml").write_text(text)
    assert chained_folders(parent) == ()


def test_nothing_outside_the_repository_is_read_for_its_chain(tmp_path: Path) -> None:
    outside = tmp_path / "model.yaml"
    outside.write_text("then: [{model: secret}]")
    folder = tmp_path / "models" / "things"
    folder.mkdir(parents=True)
    (folder / "model.yaml").symlink_to(outside)
    assert chained_folders(folder) == ()
