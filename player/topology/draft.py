"""A topology before its parameters have values: which nodes it has, and what it declares."""

import dataclasses
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

from player.errors import TopologyError
from player.topology.document import Placed, fault, read_document, shown
from player.topology.nodes import Dialect, Text
from player.topology.parameters import Parameter, Use, declared, uses
from player.topology.sections.endpoints import kind_of, without_credentials
from player.topology.sections.keys import Keyed

Group: TypeAlias = Literal["sources", "processors", "sinks"]
GROUPS: tuple[Group, ...] = ("sources", "processors", "sinks")
MAX_NODES = 100
SECRET_KEYS = frozenset({"password", "headervalue"})
SOURCE_REFERENCE = "${System.Source}"
"""Stands for a URL that replaces that of the camera."""
_LOGIN_SCHEMES = frozenset({"rtsp", "rtsps", "http", "https"})


class _Properties(Keyed):
    description: str = ""
    parameters: tuple[Any, ...] = ()
    sources: tuple[Any, ...]
    processors: tuple[Any, ...] = ()
    sinks: tuple[Any, ...] = ()


class _Document(Keyed):
    unused_keys = frozenset({"apiversion"})

    name: Text
    properties: Any


@dataclasses.dataclass(frozen=True, slots=True)
class Draft:
    """A topology as its file has it. `nodes`: their sections, by group."""

    name: str
    description: str
    dialect: Dialect
    parameters: tuple[Parameter, ...]
    nodes: Mapping[Group, tuple[Placed, ...]]

    def uses(self) -> list[Use]:
        """Return where parameters and variables stand, in order; raises TopologyError."""
        return [use for sections in self.nodes.values() for use in uses(list(sections))]

    def secrets(self) -> set[str]:
        """Return the names, in small letters, of parameters that are secret by their type or by where they stand."""
        by_place = {use.parameter.lower() for use in self.uses() if use.key.lower() in SECRET_KEYS}
        return by_place | {parameter.name.lower() for parameter in self.parameters if parameter.is_secret}

    def with_source(self, url: str, valued: Collection[str]) -> "Draft":
        """Return the draft where SOURCE_REFERENCE is the URL of the only camera; raises TopologyError.

        `valued`: the parameters that have values, in small letters. The draft's credentials are left out if the URL
        has some, if it is that of a file, and if they are made of parameters of which none has a value.
        """
        cameras = [section for section in self.nodes["sources"] if kind_of(section) == "rtspsource"]
        if len(cameras) != 1:
            raise TopologyError(f"--source replaces the URL of the only RtspSource; it has {len(cameras)}.")
        _refuse_odd(url)
        sources = tuple(
            _replaced(section, url, valued) if section is cameras[0] else section for section in self.nodes["sources"]
        )
        return dataclasses.replace(self, nodes={**self.nodes, "sources": sources})


def read_draft(path: Path, notes: list[str]) -> Draft:
    """Return what a file says; raises TopologyError. Sentences about keys that are not known are added to `notes`."""
    document = read_document(path)
    top = _Document.checked(document, "", notes)
    if not isinstance(top.properties, Placed):
        raise fault(document.place, "properties: expected an object, {...}.")
    properties = _Properties.checked(top.properties, "properties", notes)
    nodes = {group: tuple(_sections(top.properties, group)) for group in GROUPS}
    count = sum(map(len, nodes.values()))
    if count > MAX_NODES:
        raise TopologyError(f"it has {count} nodes; expected at most {MAX_NODES}.")
    types = [str(section.find("@type")).lower() for sections in nodes.values() for section in sections]
    dialect: Dialect = "lva" if any("microsoft.media." in kind for kind in types) else "ava"
    parameters = declared(properties.parameters, top.properties.place, notes)
    return Draft(top.name, properties.description, dialect, parameters, nodes)


def name_of(section: Placed) -> str:
    """Return the name of a node's section as messages show it."""
    name = section.find("name")
    return shown(name) if isinstance(name, str) else "a node without a name"


def type_of(section: Placed) -> str:
    """Return the type of a node's section without what tells the dialects apart, as messages show it."""
    kind = str(section.find("@type") or "no type").rpartition(".")[2].removeprefix("#")
    return shown(kind.removeprefix("MediaGraph"))


def _sections(properties: Placed, group: Group) -> Iterator[Placed]:
    for section in properties.find(group) or ():
        if not isinstance(section, Placed):
            raise fault(properties.places[properties.written(group) or ""], f"{group}: expected a list of objects.")
        yield section


def _refuse_odd(url: str) -> None:
    """Raise TopologyError for what is no URL, and no path either."""
    if not url:
        raise TopologyError("--source is empty; expected a URL, or the path of a file.")
    try:
        without_credentials(url)
    except ValueError as error:
        raise TopologyError(f"--source: {error}.") from None


def _replaced(section: Placed, url: str, valued: Collection[str]) -> Placed:
    """Return a camera's section where the URL is a reference."""
    own, endpoint = section.find("endpoint"), Placed(section.place)
    if isinstance(own, Placed) and url.partition("://")[0].lower() in _LOGIN_SCHEMES:
        endpoint = _copied(own, {"url"} if _keeps_credentials(own, url, valued) else {"url", "credentials"})
    endpoint["url"], endpoint.places["url"] = SOURCE_REFERENCE, endpoint.place
    replaced = _copied(section, {"endpoint"})
    replaced["endpoint"], replaced.places["endpoint"] = endpoint, endpoint.place
    return replaced


def _keeps_credentials(endpoint: Placed, url: str, valued: Collection[str]) -> bool:
    """Return whether an endpoint's credentials are for a URL that replaces its own."""
    if "@" in url.partition("://")[2].partition("/")[0]:
        return False
    names = {use.parameter.lower() for use in uses(endpoint.find("credentials"))}
    return not names or not names.isdisjoint(valued)


def _copied(section: Placed, dropped: set[str]) -> Placed:
    copy = Placed(section.place)
    for key, value in section.items():
        if key.lower() not in dropped:
            copy[key], copy.places[key] = value, section.places[key]
    return copy
