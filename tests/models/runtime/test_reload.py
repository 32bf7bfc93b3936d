"""The life of a model: replaced as a whole or not at all, and tried where it can do no harm."""

import errno
import hashlib
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from lab.graphs import board, write_endless_model, write_identity_model
from models.errors import ModelConfigError, ModelNotFoundError, NotReadyError, OverloadedError
from models.order import Answered
from models.repository import copies
from models.repository.checksums import MANIFEST_NAME
from models.repository.folder import find_models, read_folder
from models.runtime.engine import Engine
from models.runtime.reload import Reload, Reloader, obstacle_to_reloads
from models.runtime.trial import Trial
from models.scheduling.lanes import Lanes
from tests.support.models.chains import planted_boxes, write_then
from tests.support.models.engines import engine_of, order_of

FLIPS = 30
ORDER = order_of(board(7))
LIMIT_BYTES = 2 << 30


class NoTrial(Trial):
    """Replaces the trial where the number of flips counts: a real trial takes a second."""

    def __call__(self, folder: Path) -> None:
        """Accept every model."""


@contextmanager
def reloading(
    root: Path, trial: type[Trial] = Trial, max_bytes: int = LIMIT_BYTES, reports: list[Reload] | None = None
) -> Iterator[tuple[Engine, Reloader]]:
    """Yield an engine with the models below root, and their reloader; `reports`: collects what it reports."""
    engine = engine_of(root, lanes=Lanes(2, 100, 60))
    report = (reports if reports is not None else []).append
    reloader = Reloader(engine, (root,), (), trial(1, 5, 60, os.environ, max_bytes), report)
    engine.load()
    try:
        yield engine, reloader
    finally:
        engine.close()


def labels_found(engine: Engine) -> set[str]:
    """Return the labels of one frame's results."""
    return labels_in(engine.infer(ORDER).result(30))


def labels_in(answered: Answered) -> set[str]:
    return {detection.label for detection in answered.results.detections}


def test_a_changed_folder_takes_over(tmp_path: Path) -> None:
    write_identity_model(tmp_path)
    with reloading(tmp_path) as (engine, reloader):
        assert reloader.reload("identity").change == "unchanged"
        over = threading.Event()
        for _ in range(2):  # both lanes are busy
            engine.served.lanes.submit(over.wait)
        waiting = engine.infer(ORDER)
        (tmp_path / "identity" / "labels.txt").write_text("changed\nother\n")
        outcome = reloader.reload("identity")
        assert (outcome.change, outcome.version) == ("replaced", engine.served.version_of("identity"))
        assert engine.served.find(None).folder == read_folder(tmp_path / "identity")
        over.set()
        assert labels_found(engine) == {"changed"}
        assert labels_in(waiting.result(30)) == {"block"}, "a frame keeps the version it was given"
        assert waiting.result().version != outcome.version


def test_an_unchanged_folder_is_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("something was copied")

    write_identity_model(tmp_path)
    with reloading(tmp_path) as (_, reloader):
        monkeypatch.setattr(tempfile, "mkdtemp", refuse)
        monkeypatch.setattr(copies, "copy_files", refuse)
        assert reloader.reload("identity").change == "unchanged"


def test_without_a_temporary_folder_what_is_served_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "models"
    root.mkdir()
    folder = write_identity_model(root)
    reports: list[Reload] = []
    with reloading(root, NoTrial, reports=reports) as (engine, reloader):
        version = engine.served.version_of("identity")
        (folder / "labels.txt").write_text("changed\nother\n")
        write_identity_model(root, "new")
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
        changed, new = map(reloader.reload, ("identity", "new"))
        assert (changed.change, changed.version, new.change, new.version) == ("untried", version, "untried", None)
        assert changed.reason == obstacle_to_reloads()
        assert "No such file or directory" in str(changed.reason)
        assert "mount a writable /tmp" in str(changed.reason)
        assert (reports, engine.served.broken, labels_found(engine)) == ([], {}, {"block"})
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        assert obstacle_to_reloads() is None
        assert [reloader.reload(name).change for name in ("identity", "new")] == ["replaced", "loaded"]
        assert [report.change for report in reports] == ["replaced", "loaded"]
        assert sorted(path.name for path in tmp_path.iterdir()) == ["models"], "nothing is left behind"


def test_a_disk_that_is_full_rejects_a_candidate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    folder = write_identity_model(tmp_path)
    with reloading(tmp_path) as (engine, reloader):
        (folder / "labels.txt").write_text("changed\nother\n")
        monkeypatch.setattr(copies, "copy_files", fail)
        outcome = reloader.reload("identity")
        assert outcome.change == "rejected"
        assert outcome.reason == f"{folder} cannot be copied: No space left on device."
        assert labels_found(engine) == {"block"}


def test_models_come_and_go(tmp_path: Path) -> None:
    write_identity_model(tmp_path)
    with reloading(tmp_path) as (engine, reloader):
        with pytest.raises(ModelNotFoundError):
            reloader.reload("other")
        write_identity_model(tmp_path, "other")
        assert reloader.reload("other").change == "loaded"
        assert engine.served.find("other").loaded
        shutil.rmtree(tmp_path / "other")
        assert reloader.reload("other").change == "unloaded"
        with pytest.raises(ModelNotFoundError):
            engine.served.find("other")
        shutil.rmtree(tmp_path / "identity")
        assert reloader.reload("identity").change == "rejected"
        assert labels_found(engine) == {"block"}


def write_sums(folder: Path) -> None:
    files = [path for path in sorted(folder.iterdir()) if path.name != MANIFEST_NAME]
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in files]
    (folder / MANIFEST_NAME).write_text("\n".join(sums) + "\n")


def chained_functions(path: Path, count: int = 3000) -> None:
    """Write a valid graph whose local functions call each other deeper than onnxruntime follows; older ones died."""
    functions = []
    for number in range(count):
        inner = helper.make_node("Identity", ["a"], ["b"])
        if number:
            inner = helper.make_node(f"F{number - 1}", ["a"], ["b"], domain="deep")
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("deep", 1)]
        functions.append(helper.make_function("deep", f"F{number}", ["a"], ["b"], [inner], opsets))
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
    graph = helper.make_graph(
        [helper.make_node(f"F{count - 1}", ["x"], ["y"], domain="deep")], "deep", ends[:1], ends[1:]
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("deep", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, functions=functions, ir_version=8), path)


def huge(path: Path) -> None:
    """Write a graph that makes 16 TiB of zeros."""
    shape = helper.make_tensor("shape", TensorProto.INT64, [1], [2**42])
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["zeros"]),
        helper.make_node("ReduceSum", ["zeros"], ["sum"], keepdims=0),
        helper.make_node("Add", ["images", "sum"], ["y"]),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", 3, 64, 64])
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3, 64, 64])
    graph = helper.make_graph(nodes, "huge", [images], [output], [shape])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def huge_when_bright(folder: Path) -> None:
    """Let the identity model make 16 TiB of zeros, but only for frames that are not dark."""
    model = onnx.load(folder / "model.onnx")
    graph = model.graph
    graph.initializer.extend(
        [
            helper.make_tensor("dark", TensorProto.FLOAT, [], [100.0]),
            helper.make_tensor("small", TensorProto.INT64, [1], [1]),
            helper.make_tensor("large", TensorProto.INT64, [1], [2**42]),
        ]
    )
    for place, node in enumerate(
        [
            helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
            helper.make_node("Greater", ["mean", "dark"], ["is_bright"]),
            helper.make_node("Where", ["is_bright", "large", "small"], ["count"]),
            helper.make_node("ConstantOfShape", ["count"], ["zeros"]),
            helper.make_node("ReduceSum", ["zeros"], ["sum"], keepdims=0),
            helper.make_node("Add", ["images", "sum"], ["same_images"]),
        ]
    ):
        graph.node.insert(place, node)
    graph.node[6].input[0] = "same_images"
    onnx.save(model, folder / "model.onnx")


def unwritten_config(folder: Path) -> None:
    (folder / "model.yaml").write_text("weights: {file: model.onnx}\nlabels: lab")


def truncated(folder: Path) -> None:
    weights = (folder / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(weights[: len(weights) // 2])


def out_of_step(folder: Path) -> None:
    write_sums(folder)
    (folder / "labels.txt").write_text("new\nlabels\n")


def endless(folder: Path) -> None:
    made = write_endless_model(folder.parent.parent / "made")
    shutil.copy(made / "model.onnx", folder / "model.onnx")
    shutil.copy(made / "model.yaml", folder / "model.yaml")
    shutil.copy(made / "labels.txt", folder / "labels.txt")


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "no weights": (lambda folder: (folder / "model.onnx").unlink(), "NO_SUCHFILE|doesn't exist|not a model"),
    "empty weights": (lambda folder: (folder / "model.onnx").write_bytes(b""), "not a model that onnxruntime"),
    "half the weights": (truncated, "not a model that onnxruntime"),
    "a web page": (
        lambda folder: (folder / "model.onnx").write_text("<html>404</html>"),
        "not a model that onnxruntime",
    ),
    "half a model.yaml": (unwritten_config, "Field required|is not a file"),
    "too few labels": (lambda folder: (folder / "labels.txt").write_text("one\n"), "expected output scores"),
    "labels out of step": (out_of_step, "does not match SHA256SUMS"),
    "functions too deep": (lambda folder: chained_functions(folder / "model.onnx"), "the trial crashed|call depth"),
    "takes all memory": (lambda folder: huge(folder / "model.onnx"), "expected|failed on a warm-up frame|takes more"),
    "takes all memory when it is bright": (huge_when_bright, "failed on a warm-up frame|takes more"),
    "never ends": (endless, "took longer over a warm-up frame|stopped after"),
}


@pytest.mark.parametrize("name", list(BAD))
def test_a_bad_candidate_never_takes_over(tmp_path: Path, name: str) -> None:
    root = tmp_path / "models"
    root.mkdir()
    folder = write_identity_model(root)
    (tmp_path / "made").mkdir()
    spoil, message = BAD[name]
    with reloading(root) as (engine, reloader):
        version = engine.served.version_of("identity")
        spoil(folder)
        outcome = reloader.reload("identity")
        assert (outcome.change, outcome.version) == ("rejected", version)
        assert outcome.reason
        with pytest.raises(ModelConfigError, match=message):
            raise ModelConfigError(outcome.reason)
        assert "framehook-" not in outcome.reason, "the operator does not know the path of the copy"
        assert labels_found(engine) == {"block"}
        assert engine.is_ready


def test_versions_are_flipped_and_never_mixed(tmp_path: Path) -> None:
    """Two versions with different labels and boxes alternate under load; every answer is from one of them alone."""
    root = tmp_path / "models"
    root.mkdir()
    versions = [write_identity_model(tmp_path, name, (name, "other")) for name in ("one", "two")]
    (root / ".releases").mkdir()
    label_by_version = {read_folder(version).version: version.name for version in versions}
    for version in versions:
        version.rename(root / ".releases" / version.name)
    (root / "identity").symlink_to(".releases/one")
    seen: set[str] = set()
    over = threading.Event()
    with reloading(root, NoTrial) as (engine, reloader):

        def ask() -> None:
            while not over.is_set():
                try:
                    answered = engine.infer(ORDER).result(30)
                except (OverloadedError, NotReadyError) as error:
                    raise AssertionError("a frame was lost") from error
                assert labels_in(answered) == {label_by_version[answered.version]}
                seen.add(label_by_version[answered.version])

        askers = [threading.Thread(target=ask) for _ in range(3)]
        for asker in askers:
            asker.start()
        for number in range(FLIPS):
            link = root / ".next"
            link.symlink_to(f".releases/{('two', 'one')[number % 2]}")
            os.replace(link, root / "identity")  # noqa: PTH105  # the very call that flips a link
            assert reloader.reload("identity").change == "replaced"
        over.set()
        for asker in askers:
            asker.join(30)
    assert seen == {"one", "two"}


@pytest.mark.parametrize("name", ["model.yaml", "labels.txt", "model.onnx"])
def test_nothing_leads_out_of_the_repository(tmp_path: Path, name: str) -> None:
    root = tmp_path / "models"
    root.mkdir()
    folder = write_identity_model(root)
    (folder / name).rename(tmp_path / name)
    (folder / name).symlink_to(tmp_path / name)
    with pytest.raises(ModelConfigError, match="leads out of the model repository"):
        read_folder(folder)


def test_a_candidate_whose_trial_goes_wrong_never_takes_over(tmp_path: Path) -> None:
    folder = write_identity_model(tmp_path)
    with reloading(tmp_path, max_bytes=64 << 20) as (engine, reloader):  # too little for any process
        (folder / "labels.txt").write_text("changed\nother\n")
        outcome = reloader.reload("identity")
        assert outcome.change == "rejected"
        assert "takes more than" in str(outcome.reason)
        assert labels_found(engine) == {"block"}


def test_a_trial_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    write_identity_model(tmp_path)
    with pytest.raises(ModelConfigError, match=r"stopped after 0\.01 s"):
        Trial(1, 5, 0.01, os.environ, LIMIT_BYTES)(tmp_path / "identity")


def test_names_are_unique_and_asked_for_ones_are_there(tmp_path: Path) -> None:
    roots = (tmp_path / "a", tmp_path / "b")
    for root in roots:
        root.mkdir()
        write_identity_model(root)
    with pytest.raises(ModelConfigError, match="rename one of the two"):
        find_models(roots)
    with pytest.raises(ModelConfigError, match="No model named nope; there are: identity"):
        find_models(roots[:1], ("nope",))
    write_identity_model(roots[0], "other")
    assert list(find_models(roots[:1])) == ["identity", "other"]
    assert list(find_models(roots[:1], ("other",))) == ["other"]


def test_lanes_of_its_own(tmp_path: Path) -> None:
    folder = write_identity_model(tmp_path)
    config = folder / "model.yaml"
    config.write_text(config.read_text() + "execution: {lanes: 2}\n")
    with reloading(tmp_path, NoTrial) as (engine, reloader):
        own = engine.served.find(None).lanes
        assert own is not engine.served.lanes
        assert labels_found(engine) == {"block"}
        config.write_text(config.read_text().replace("lanes: 2", "lanes: 3"))
        reloader.reload("identity")
        assert engine.served.find(None).lanes.count == 3
        with pytest.raises(OverloadedError):
            own.submit(partial(int, "1"))


def test_a_changed_chained_model_is_a_new_version_of_those_that_need_it(tmp_path: Path) -> None:
    """A broken one, or none, leaves the version before in service."""
    write_identity_model(tmp_path)
    write_then(planted_boxes(tmp_path, [(0.1, 0.1, 0.9, 0.9)]), "{model: identity}")

    def said() -> str:
        [thing] = engine.infer(replace(ORDER, model="planted")).result(30).results.detections
        return thing.chained[0].results.detections[0].label

    with reloading(tmp_path) as (engine, reloader):
        assert reloader.reload("planted").change == "unchanged"
        (tmp_path / "identity" / "labels.txt").write_text("changed\nother\n")
        assert (reloader.reload("planted").change, said()) == ("replaced", "changed")
        assert engine.served.find("planted").folder == read_folder(tmp_path / "planted")
        weights = (tmp_path / "identity" / "model.onnx").read_bytes()
        (tmp_path / "identity" / "model.onnx").write_bytes(b"rubbish")
        broken = reloader.reload("planted")
        assert (broken.change, said()) == ("rejected", "changed")
        assert str(broken.reason).startswith(f"{tmp_path / 'identity' / 'model.onnx'} is not a model")
        shutil.move(tmp_path / "identity", tmp_path / ".gone")
        gone = reloader.reload("planted")
        assert (gone.change, said()) == ("rejected", "changed")
        assert str(gone.reason).endswith("then: there is no folder identity beside planted.")
        shutil.move(tmp_path / ".gone", tmp_path / "identity")
        (tmp_path / "identity" / "model.onnx").write_bytes(weights)
        assert (reloader.reload("planted").change, engine.served.broken) == ("unchanged", {})
