"""What a graph of nodes must be. What it should be is in `player.topology.advice`."""

from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from player.errors import TopologyError
from player.topology.document import shown
from player.topology.nodes import (
    FileSink,
    IotHubMessageSink,
    RtspSource,
    SignalGateProcessor,
    Topology,
    TopologyNode,
    VideoSink,
    inputs_of,
)
from player.topology.sections.keys import near

MAX_WAYS = 256
"""From the source to a node."""
GATE_INPUTS = 2
"""First what opens it, then what goes through."""


@dataclass(frozen=True, slots=True)
class Graph:
    """The nodes of a topology by name, and what is above and below each."""

    topology: Topology
    by_name: Mapping[str, TopologyNode]
    above: Mapping[str, tuple[TopologyNode, ...]]
    below: Mapping[str, tuple[TopologyNode, ...]]

    def is_directly_below(self, node: TopologyNode, *kinds: type[TopologyNode]) -> bool:
        """Return whether all nodes directly above one are of these kinds."""
        return all(isinstance(other, kinds) for other in self.above[node.name])

    def is_below(self, node: TopologyNode, *kinds: type[TopologyNode]) -> bool:
        """Return whether a node of one of these kinds is above one, at any distance."""
        names, seen = [node.name], {node.name}
        while names:
            for other in self.above[names.pop()]:
                if isinstance(other, kinds):
                    return True
                if other.name not in seen:
                    seen.add(other.name)
                    names.append(other.name)
        return False


def graph_of(topology: Topology) -> Graph:
    """Return a topology's graph; raises TopologyError for one that cannot run."""
    graph = _linked(topology)
    _refuse_cycle(graph)
    _refuse_many_ways(graph)
    _refuse_gates(topology)
    cameras = [source.name for source in topology.sources if isinstance(source, RtspSource)]
    if not cameras:
        raise TopologyError("it has no RtspSource; a pipeline needs one.")
    if len(cameras) > 1:
        raise TopologyError(f"{_joined(cameras)} are all RtspSources; expected one.")
    return graph


def _linked(topology: Topology) -> Graph:
    by_name: dict[str, TopologyNode] = {}
    for node in topology.nodes:
        if node.name in by_name:
            raise TopologyError(f"two nodes have the name {shown(node.name)}; expected a name of its own for each.")
        by_name[node.name] = node
    above = {node.name: tuple(_source_of(node, each.node_name, by_name) for each in inputs_of(node))
             for node in topology.nodes}  # fmt: skip
    below: dict[str, list[TopologyNode]] = {name: [] for name in by_name}
    for name, sources in above.items():
        for source in dict.fromkeys(source.name for source in sources):
            below[source].append(by_name[name])
    return Graph(topology, by_name, above, {name: tuple(nodes) for name, nodes in below.items()})


def _source_of(node: TopologyNode, name: str, by_name: Mapping[str, TopologyNode]) -> TopologyNode:
    """Return the node that an input names."""
    source = by_name.get(name)
    if source is None:
        raise TopologyError(
            f"{shown(node.name)} takes its input from {shown(name)}, which is not there.{near(name, by_name)}"
        )
    if isinstance(source, IotHubMessageSink | FileSink | VideoSink):
        raise TopologyError(f"{shown(node.name)} takes its input from {shown(name)}, a sink, which passes nothing on.")
    return source


def _refuse_cycle(graph: Graph) -> None:
    try:
        TopologicalSorter({name: [node.name for node in nodes] for name, nodes in graph.above.items()}).prepare()
    except CycleError as error:
        raise TopologyError(f"its nodes go round in a circle: {' → '.join(map(shown, error.args[1]))}.") from None


def _refuse_many_ways(graph: Graph) -> None:
    """Refuse what would multiply each packet: two inputs of the same node double it, and so does the next such node."""
    ways: dict[str, int] = {}
    for name in TopologicalSorter(
        {name: [node.name for node in nodes] for name, nodes in graph.above.items()}
    ).static_order():
        ways[name] = sum(ways[node.name] for node in graph.above[name]) or 1
        if ways[name] > MAX_WAYS:
            raise TopologyError(
                f"what the source gives would come to {shown(name)} {ways[name]} times; "
                f"expected at most {MAX_WAYS} ways through the nodes above it."
            )


def _refuse_gates(topology: Topology) -> None:
    for node in topology.processors:
        if isinstance(node, SignalGateProcessor) and len(node.inputs) != GATE_INPUTS:
            raise TopologyError(
                f"{shown(node.name)}, a SignalGateProcessor, has {len(node.inputs)} inputs; "
                "expected two: what opens it, then what goes through."
            )


def _joined(names: list[str]) -> str:
    return " and ".join(map(shown, names))
