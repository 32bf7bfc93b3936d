"""The steps of preparation: each changes one place at a graph's edge, or leaves the graph unchanged."""

from collections.abc import Callable, Mapping

from onnx import ModelProto, helper

from models.preparation.edges import Edges
from models.preparation.graph import EditableGraph, UnfamiliarGraphError
from models.preparation.pixels import take_bytes
from models.preparation.quantised_input import feed_the_picture


def give_logits(graph: EditableGraph, edges: Edges) -> None:
    """Replace the output of a sigmoid by its input, under the name by which the family reads logits.

    Raises UnfamiliarGraphError, and changes nothing, if the family reads no logits or the graph has another structure.
    """
    if edges.logits is None:
        raise UnfamiliarGraphError
    scores, logits = edges.logits
    sigmoid = graph.producer(scores, "Sigmoid")
    outputs = {value.name: value for value in graph.proto.output}
    is_named = sigmoid.input[0] == logits
    if logits in outputs or not (is_named or graph.free_name(logits) == logits):
        raise UnfamiliarGraphError
    if not is_named:
        graph.proto.node.append(helper.make_node("Identity", [sigmoid.input[0]], [logits], name=logits))
    outputs[scores].name = logits


FED_AS_QUANTISED = "takes them as quantised already"

STEPS: Mapping[str, Callable[[EditableGraph, Edges], None]] = {
    "takes uint8 pixels": take_bytes,
    FED_AS_QUANTISED: lambda graph, _: feed_the_picture(graph),
    "gives logits": give_logits,
}
"""What the graph does afterwards → the step, in this order."""


def prepare(model: ModelProto, edges: Edges) -> tuple[str, ...]:
    """Change a model in place by every step that applies, and return the keys in STEPS of those that did."""
    graph = EditableGraph(model)
    done = tuple(name for name, step in STEPS.items() if _applied(step, graph, edges))
    if done:
        graph.prune()
    return done


def _applied(step: Callable[[EditableGraph, Edges], None], graph: EditableGraph, edges: Edges) -> bool:
    try:
        step(graph, edges)
    except UnfamiliarGraphError:
        return False
    return True
