"""Names and values of a data block, under one spelling of each name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pyg_sitenet.errors import StructureError

_USED = (
    "_cell_",
    "_atom_site_",
    "_atom_type_",
    "_symmetry_",
    "_space_group_",
    "_chemical_formula_",
    "_exptl_crystal_density_",
)
_UNUSED = ("_atom_site_aniso_", "_atom_site_u_iso", "_atom_site_b_iso")
_NULL = ("", "?", ".")


def plain_tag(tag: str) -> str:
    """Return a tag in lower case, with an underscore for the dot of newer ones."""
    return tag.lower().replace(".", "_").rstrip("_")


def is_used(tag: str) -> bool:
    """Tell whether a plain tag may say something of the crystal."""
    return tag.startswith(_USED) and not tag.startswith(_UNUSED)


def number(text: str) -> float:
    """Read a number without its uncertainty in brackets; nan if it is none."""
    if "_" in text:  # which Python takes for nothing between digits
        return math.nan
    try:
        return float(text.split("(")[0])
    except ValueError:
        return math.nan


def is_null(text: str) -> bool:
    """Tell whether a value is unknown or does not apply."""
    return text in _NULL


def _meaning(text: str) -> float | str:
    """Return a number, or a name in small letters; its blanks part symbols: 4 2, 42."""
    value = number(text)
    name = " ".join(text.replace("_", " ").split()).lower()
    return name if math.isnan(value) else value


@dataclass(frozen=True)
class Values:
    """What a data block says.

    Args:
        columns: The values of each plain tag, one where it stands alone.
        origin: File that messages begin with.
    """

    columns: Mapping[str, list[str]]
    origin: str

    def column(self, *tags: str) -> list[str]:
        """Return the values of the first tag that is there with any known value."""
        for tag in tags:
            values = self.columns.get(tag, [])
            if not all(map(is_null, values)):
                return values
        return []

    def known(self, *tags: str) -> list[str]:
        """Return the known values of the first tag that has any, each once."""
        values = dict.fromkeys(self.column(*tags))
        return [value for value in values if not is_null(value)]

    def cells(self, numbers: Iterable[int], *tags: str) -> list[str]:
        """Return the values of these rows, counted from 1; beyond the end ``?``."""
        column = self.column(*tags)
        return [column[n - 1] if n <= len(column) else "?" for n in numbers]

    def text(self, *tags: str) -> str:
        """Return the value of the first tag that has a known one, or nothing.

        Raises:
            StructureError: If a loop gives it several that mean different things: none
                of them is the crystal's.
        """
        tag = next((tag for tag in tags if self.known(tag)), "")
        values = self.known(tag)
        for value in values[1:]:
            if _meaning(value) != _meaning(values[0]):
                raise StructureError(
                    f"{self.origin}: gives {tag} twice, {values[0]} and {value}; remove"
                    " the one that is not meant"
                )
        return values[0] if values else ""
