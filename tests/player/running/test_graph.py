from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import pytest

from player.flow import Activation, Frame, Item, MediaType, Packet, Signal
from player.running.graph import Graph, Link

EVERYTHING: frozenset[MediaType] = frozenset({"video", "audio", "application"})
SOUND = Packet("audio", 1, 1, is_keyframe=True, size_bytes=1, session=0, content=None)


@dataclass
class Heard:
    """A node that remembers what it gets, and passes it on, so many times."""

    copies: int = 1
    items: list[tuple[Item, int]] = field(default_factory=list)

    def take(self, item: Item, port: int) -> Iterator[Item]:
        self.items.append((item, port))
        yield from [item] * self.copies


def test_items_go_on_from_node_to_node_by_the_numbers_of_their_inputs() -> None:
    nodes = {name: Heard() for name in ("first", "second")}
    graph = Graph(
        nodes,
        {
            "camera": [Link("first", 0, EVERYTHING), Link("second", 1, EVERYTHING)],
            "first": [Link("second", 0, EVERYTHING)],
        },
    )
    graph.pass_on("camera", Frame(1))
    assert nodes["first"].items == [(Frame(1), 0)]
    assert nodes["second"].items == [(Frame(1), 0), (Frame(1), 1)]


def test_what_a_node_keeps_goes_no_further_and_what_it_doubles_goes_twice() -> None:
    for copies in (0, 2):
        nodes = {"first": Heard(copies), "second": Heard()}
        graph = Graph(nodes, {"camera": [Link("first", 0, EVERYTHING)], "first": [Link("second", 0, EVERYTHING)]})
        graph.pass_on("camera", SOUND)
        assert len(nodes["second"].items) == copies


@pytest.mark.parametrize(
    ("item", "takers"),
    [
        (Frame(1), {"video"}),
        (SOUND, {"audio"}),
        (Signal(1), {"application"}),
        (Activation("begin", 1, 1.0, "one"), {"video", "audio", "application"}),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, set) else "",
)
def test_an_input_takes_what_it_has_selected_and_every_begin_and_end_of_a_clip(item: Item, takers: set[str]) -> None:
    kinds: Iterable[MediaType] = ("video", "audio", "application")
    nodes: dict[str, Heard] = {kind: Heard() for kind in kinds}
    Graph(nodes, {"camera": [Link(kind, 0, frozenset({kind})) for kind in kinds]}).pass_on("camera", item)
    assert {name for name, node in nodes.items() if node.items} == takers
