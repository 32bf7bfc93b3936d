"""The steps of preparation: each knows one place at a graph's edge and changes it, or leaves all as it is."""

from collections.abc import Callable, Mapping

from onnx import ModelProto, helper

from models.preparation.edges import Edges
from models.preparation.graph import EditableGraph, UnfamiliarGraphError
from models.preparation.pixels import take_bytes
from models.preparation.quantised_input import feed_the_picture


def give_logits(graph: EditableGraph, edges: Edges) -> None:
    """Replace the output made by a sigmoid by what goes into that, under the name by which the family reads it."""
    if edges.logits is None:
        raise UnfamiliarGraphError
    scores, logits = edges.logits
    sigmoid = graph.producer(scores, "Sigmoid")
    outputs = {value.name: value for value in graph.proto.output}
    is_there = sigmoid.input[0] == logits
    if logits in outputs or not (is_there or graph.free_name(logits) == logits):
        raise UnfamiliarGraphError
    if not is_there:
        graph.proto.node.append(helper.make_node("Identity", [sigmoid.input[0]], [logits], name=logits))
    outputs[scores].name = logits


FED_AS_QUANTISED = "takes them as quantised already"

STEPS: Mapping[str, Callable[[EditableGraph, Edges], None]] = {
    "takes uint8 pixels": take_bytes,
    FED_AS_QUANTISED: lambda graph, _: feed_the_picture(graph),
    "gives logits": give_logits,
}
"""What the graph does afterwards → step, in this order."""


def prepare(model: ModelProto, edges: Edges) -> tuple[str, ...]:
    """Change a model in place by every step that knows it, and return what was done: keys of STEPS."""
    graph = EditableGraph(model)
    done = tuple(name for name, step in STEPS.items() if _did(step, graph, edges))
    if done:
        graph.prune()
    return done


def _did(step: Callable[[EditableGraph, Edges], None], graph: EditableGraph, edges: Edges) -> bool:
    try:
        step(graph, edges)
    except UnfamiliarGraphError:
        return False
    return True
