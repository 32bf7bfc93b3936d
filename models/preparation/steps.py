"""The steps of preparation: each knows one place at a graph's edge and changes it, or leaves all as it is."""

from collections.abc import Callable, Mapping

from onnx import ModelProto, TensorProto, helper

from models.preparation.graph import EditableGraph, UnfamiliarGraphError
from models.preparation.quantised_input import feed_the_picture

NCHW_AXES, RGB_CHANNELS = 4, 3


def take_bytes(graph: EditableGraph) -> None:
    """Change a float32 input [N, 3, height, width] to uint8 [N, height, width, 3], which is turned and cast inside."""
    value = graph.only_input
    axes = [axis.dim_value or axis.dim_param or None for axis in value.type.tensor_type.shape.dim]
    if value.type.tensor_type.elem_type != TensorProto.FLOAT or len(axes) != NCHW_AXES or axes[1] != RGB_CHANNELS:
        raise UnfamiliarGraphError
    nhwc, nchw = graph.free_name(f"{value.name}_nhwc"), graph.free_name(f"{value.name}_nchw")
    graph.proto.node.insert(0, helper.make_node("Transpose", [nhwc], [nchw], name=nchw, perm=[0, 3, 1, 2]))
    graph.proto.node.insert(1, helper.make_node("Cast", [nchw], [value.name], name=value.name, to=TensorProto.FLOAT))
    shape = [axes[0], axes[2], axes[3], axes[1]]
    value.CopyFrom(helper.make_tensor_value_info(nhwc, TensorProto.UINT8, shape))


def give_logits(graph: EditableGraph) -> None:
    """Replace the output `scores`, made by a sigmoid, by what goes into that: the output `logits`."""
    sigmoid = graph.producer("scores", "Sigmoid")
    if graph.free_name("logits") != "logits":
        raise UnfamiliarGraphError
    output = next(value for value in graph.proto.output if value.name == "scores")
    graph.proto.node.append(helper.make_node("Identity", [sigmoid.input[0]], ["logits"], name="logits"))
    output.name = "logits"


FED_AS_QUANTISED = "takes them as quantised already"

STEPS: Mapping[str, Callable[[EditableGraph], None]] = {
    "takes uint8 pixels": take_bytes,
    FED_AS_QUANTISED: feed_the_picture,
    "gives logits": give_logits,
}
"""What the graph does afterwards → step, in this order."""


def prepare(model: ModelProto) -> tuple[str, ...]:
    """Change a model in place by every step that knows it, and return what was done: keys of STEPS."""
    graph = EditableGraph(model)
    done = tuple(name for name, step in STEPS.items() if _did(step, graph))
    if done:
        graph.prune()
    return done


def _did(step: Callable[[EditableGraph], None], graph: EditableGraph) -> bool:
    try:
        step(graph)
    except UnfamiliarGraphError:
        return False
    return True
