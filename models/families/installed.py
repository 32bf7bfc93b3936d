"""Families that installed packages add, by the entry point `framehook.families`: a FamilySection each."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import get_args

from models.families.family import FamilySection

GROUP = "framehook.families"
NAME_PATTERN = r"[a-z][a-z0-9_]{0,63}"
"""Of the contract."""


@dataclass(frozen=True, slots=True)
class InstalledFamilies:
    """`sections`: those that can be used. `faults`: name of the entry point → why its family cannot."""

    sections: tuple[type[FamilySection], ...]
    faults: dict[str, str]


def installed_families(built_in: Collection[type[FamilySection]]) -> InstalledFamilies:
    """Return the families of installed packages. One that is broken costs nothing until a model.yaml names it."""
    taken = {name_of(section) for section in built_in}
    sections, faults = [], {}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        try:
            section = _section_of(entry, taken)
        except Exception as error:  # noqa: BLE001  # of somebody else's package
            package = entry.dist.name if entry.dist else "an installed package"
            faults[entry.name] = f"the family {entry.name} of {package} cannot be used: {error}"
        else:
            sections.append(section)
            taken.add(entry.name)
    return InstalledFamilies(tuple(sections), faults)


def name_of(section: type[FamilySection]) -> str:
    """Return the family's name: the only value that its section allows for the key `name`."""
    [name] = get_args(section.model_fields["name"].annotation)
    return str(name)


def _section_of(entry: EntryPoint, taken: Collection[str]) -> type[FamilySection]:
    """Return what an entry point leads to; raises ValueError, and whatever the package raises."""
    if not re.fullmatch(NAME_PATTERN, entry.name):
        raise ValueError("expected a name of at most 64 characters: a letter a-z, then a-z, 0-9 and _")
    section = entry.load()
    if not isinstance(section, type) or not issubclass(section, FamilySection) or "reads" not in vars(section):
        raise ValueError(f"expected {entry.value} to be a FamilySection with the class variable reads")
    if name_of(section) != entry.name:
        raise ValueError(f"its name is {name_of(section)}; expected the entry point to have the same")
    if entry.name in taken:
        raise ValueError("another family has this name")
    return section
