"""How the nodes of a pipeline are joined."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from player.flow import Activation, Item, MediaType, Node


@dataclass(frozen=True, slots=True)
class Link:
    """One input of a node. `port`: its number there. `media_types`: of the items that pass."""

    node: str
    port: int
    media_types: frozenset[MediaType]


class Graph:
    """Nodes by their names, and the inputs that take what a node, or the source, gives. Has no cycles."""

    def __init__(self, nodes: Mapping[str, Node], links: Mapping[str, Sequence[Link]]) -> None:
        self._nodes, self._links = nodes, links

    def pass_on(self, name: str, item: Item) -> None:
        """Give an item that comes from the node of that name to those that take it, and so on."""
        for link in self._links.get(name, ()):
            if item.media_type in link.media_types or isinstance(item, Activation):
                for result in self._nodes[link.node].take(item, link.port):
                    self.pass_on(link.node, result)
