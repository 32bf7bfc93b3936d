"""The hub sink: reports what was found in frames as events."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import TypeAlias

from player.flow import Finding, Frame, Item

Publish: TypeAlias = Callable[[Finding, float], None]
"""Called with a finding, and the time of its frame."""

MAX_REMEMBERED = 1000
"""Findings that may come once more, by another way through the topology."""


class HubSink:
    """Reports each finding of a frame once, whatever ways the frame takes to the sink."""

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self._reported: OrderedDict[tuple[str, float], None] = OrderedDict()

    def take(self, item: Item, port: int) -> Iterable[Item]:  # noqa: ARG002  # all inputs are alike
        """Report what was found in a frame; nothing goes on."""
        if isinstance(item, Frame):
            for finding in item.findings:
                key = finding.node, item.at_s
                if finding.inferences and key not in self._reported:
                    self._reported[key] = None
                    self._publish(finding, item.at_s)
            while len(self._reported) > MAX_REMEMBERED:
                self._reported.popitem(last=False)
        return ()
