"""A topology as a flowchart of Mermaid, which GitHub and many editors draw."""

from player.topology.nodes import (
    IotHubMessageSource,
    NodeInput,
    RtspSource,
    SignalGateProcessor,
    Topology,
    TopologyNode,
    inputs_of,
)

_ESCAPES = {ord(char): f"#{ord(char)};" for char in '#"&<>`|[]{}()\\'}


def mermaid(topology: Topology) -> str:
    """Return the text of a flowchart: a box for each node, an arrow for each input, selectors on the arrows.

    What opens a signal gate is an arrow with dots.
    """
    ids = {node.name: f"n{number}" for number, node in enumerate(topology.nodes)}
    lines = ["flowchart LR"]
    lines += [f"    {ids[node.name]}{_box(node, topology)}" for node in topology.nodes]
    for node in topology.nodes:
        for port, each in enumerate(inputs_of(node)):
            is_trigger = isinstance(node, SignalGateProcessor) and port == 0
            lines.append(f"    {ids[each.node_name]} {_arrow(each, is_trigger=is_trigger)} {ids[node.name]}")
    return "\n".join(lines) + "\n"


def selection(each: NodeInput) -> str:
    """Return what an input takes, in words; empty if it takes all."""
    words = [f"{'not ' if one.operator == 'isNot' else ''}{one.value}" for one in each.output_selectors]
    return ", ".join(words)


def _box(node: TopologyNode, topology: Topology) -> str:
    label = f'"{_escaped(node.name)}<br>{type(node).__name__}"'
    if isinstance(node, RtspSource | IotHubMessageSource):
        return f"([{label}])"
    return f"[{label}]" if node in topology.processors else f"[/{label}/]"


def _arrow(each: NodeInput, *, is_trigger: bool) -> str:
    words = ", ".join(part for part in ("trigger" if is_trigger else "", selection(each)) if part)
    line = "-.->" if is_trigger else "-->"
    return f'{line}|"{_escaped(words)}"|' if words else line


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)
