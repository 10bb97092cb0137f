"""The rows of atoms of a data block: positions, species, occupancies."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pymatgen.core import Element, Species

from pyg_sitenet.data.structure.check import MAX_COORDINATE
from pyg_sitenet.data.structure.cif.disorder_groups import check_groups
from pyg_sitenet.data.structure.cif.oxidation_states import read_oxidation_states
from pyg_sitenet.data.structure.cif.species import (
    Content,
    content_of_label,
    content_of_symbol,
    is_ambiguous,
    reason_of,
)
from pyg_sitenet.data.structure.cif.values import Values, is_null, number
from pyg_sitenet.errors import SiteNetWarning, StructureError

_OCCUPANCY = "_atom_site_occupancy"
_DIGITS = re.compile(r"\.(\d+)")
_NUMBER = re.compile(r"\d\d+")


@dataclass(frozen=True)
class Row:
    """One row of the list of atoms.

    Args:
        number: Of the row, from 1.
        label: Name of the atom.
        position: Fractional coordinates.
        digits: How many of them are written of each, or are exact.
        species: Elements or ions, with the part of the site that each occupies.
        hydrogens: Hydrogen atoms that belong to it but have no position.
    """

    number: int
    label: str
    position: tuple[float, float, float]
    digits: tuple[int, ...]
    species: Mapping[Element | Species, float]
    hydrogens: float


def meant_formula(values: Values, formulas: Sequence[frozenset[str]]) -> frozenset[str]:
    """Return those elements, of the readings of a formula, that the atoms have.

    Labels such as CO1 are read with the elements of each; hydrogen is often left out.

    Args:
        values: Names and values of a data block.
        formulas: Elements of each reading, the likeliest first.
    """
    columns = _columns(values)
    names = ("type_symbol", "label", "calc_flag", "occupancy")
    rows = zip(*(columns[name] for name in names), strict=True)
    kinds = {  # labels of different numbers stand for the same
        (symbol, _NUMBER.sub("10", label))
        for symbol, label, flag, share in rows
        if flag.lower() != "dum" and number(share) != 0
    }
    for formula in formulas:
        contents = [_content(*kind, formula, values.origin) for kind in kinds]
        found = {name for content in contents if content for name in content.shares}
        if None not in contents and found ^ formula <= {"H", "D", "T"}:
            return formula
    return formulas[0]


def read_rows(values: Values, formula: frozenset[str]) -> list[Row]:
    """Return the atoms that are listed, without those of no occupancy.

    Args:
        values: Names and values of a data block.
        formula: Elements of its formula, if it has one.

    Raises:
        StructureError: If an atom is no element, if a coordinate or an occupancy is no
            proper number, or if disorder has no occupancies.
    """
    columns, origin = _columns(values), values.origin
    contents = _contents(columns, formula, origin)
    positions = _positions(columns, origin)
    occupancies = _occupancies(columns, origin)
    check_groups(columns, origin)
    states = read_oxidation_states(values)
    attached = [_count(text) for text in columns["attached_hydrogens"]]
    rows = []
    for row, label in enumerate(columns["label"]):
        if columns["calc_flag"][row].lower() == "dum" or not occupancies[row]:
            continue
        content, texts = contents[row], positions[row]
        symbol = columns["type_symbol"][row]
        species = {
            states.specie(element, symbol): share * occupancies[row]
            for element, share in content.shares.items()
        }
        rows.append(
            Row(
                row + 1,
                label,
                (number(texts[0]), number(texts[1]), number(texts[2])),
                _num_digits(texts),
                species,
                max(content.hydrogens, attached[row]),
            )
        )
    return rows


def _columns(values: Values) -> dict[str, list[str]]:
    """Return the columns of the atoms by the ends of their tags; unknown where none."""
    x = values.columns.get("_atom_site_fract_x", [])
    columns = {}
    for name in (
        *("label", "type_symbol", "fract_x", "fract_y", "fract_z", "occupancy"),
        *("calc_flag", "disorder_group", "disorder_assembly", "attached_hydrogens"),
    ):
        column = values.columns.get(f"_atom_site_{name}", ["?"] * len(x))
        if len(column) != len(x):
            raise StructureError(
                f"{values.origin}: damaged or truncated: {len(x)} atoms have"
                f" _atom_site_fract_x but {len(column)} _atom_site_{name}"
            )
        columns[name] = column
    if all(map(is_null, columns["label"])):
        columns["label"] = columns["type_symbol"]
    return columns


def _contents(
    columns: Mapping[str, list[str]], formula: frozenset[str], origin: str
) -> list[Content]:
    contents: dict[tuple[str, str], Content | None] = {}
    listed = []
    pairs = list(zip(columns["type_symbol"], columns["label"], strict=True))
    for row, (symbol, label) in enumerate(pairs):
        if (symbol, label) not in contents:
            contents[symbol, label] = _content(symbol, label, formula, origin)
        content = contents[symbol, label]
        is_dummy = columns["calc_flag"][row].lower() == "dum"
        if is_dummy:
            message = f"{origin}: atom {row + 1} ({label}) is a dummy: left out"
            warnings.warn(message, SiteNetWarning, stacklevel=5)
        if content is None and not is_dummy:
            raise StructureError(f"{origin}: {reason_of(symbol, label, formula)}")
        listed.append(content or Content({}))
    return listed


def _content(
    symbol: str, label: str, formula: frozenset[str], origin: str
) -> Content | None:
    if not is_null(symbol):
        return content_of_symbol(symbol)
    if is_ambiguous(label, formula):
        raise StructureError(
            f"{origin}: the label {label!r} may mean one element or two; give"
            " _atom_site_type_symbol"
        )
    return content_of_label(label, formula)


def _positions(
    columns: Mapping[str, list[str]], origin: str
) -> list[tuple[str, str, str]]:
    for axis in "xyz":
        for row, text in enumerate(columns[f"fract_{axis}"]):
            is_dummy = columns["calc_flag"][row].lower() == "dum"
            if not is_dummy and not abs(number(text)) < MAX_COORDINATE:
                name = columns["label"][row]
                raise StructureError(
                    f"{origin}: _atom_site_fract_{axis} of atom {row + 1} ({name}) is"
                    f" {text!r}, not a finite number that can be meant; correct or"
                    " remove the atom"
                )
    axes = (columns["fract_x"], columns["fract_y"], columns["fract_z"])
    return list(zip(*axes, strict=True))


def _occupancies(columns: Mapping[str, list[str]], origin: str) -> list[float]:
    shares = []
    for row, text in enumerate(columns["occupancy"]):
        share = 1.0 if text == "?" else number(text)
        name = columns["label"][row]
        if not 0 <= share < math.inf:
            raise StructureError(
                f"{origin}: {_OCCUPANCY} of atom {row + 1} ({name}) is {text!r}; write"
                " 1 where a site is full"
            )
        if share == 0:
            message = f"{origin}: atom {row + 1} ({name}) has no occupancy: left out"
            warnings.warn(message, SiteNetWarning, stacklevel=5)
        shares.append(share)
    return shares


def _num_digits(texts: tuple[str, str, str]) -> tuple[int, ...]:
    """Return how many digits each coordinate has, the most where it is exact."""
    counts = [len(m[1]) if (m := _DIGITS.search(text)) else 0 for text in texts]
    return tuple(
        count if _is_rounded(number(text), count) else max(counts)
        for text, count in zip(texts, counts, strict=True)
    )


def _is_rounded(value: float, count: int) -> bool:
    """Tell whether digits may have been cut off: of 0.333 and 0.17, not 0.25 or 0.3."""
    if float(8 * value).is_integer():
        return False
    return count > 2 or (count == 2 and abs(6 * value - round(6 * value)) < 0.05)


def _count(text: str) -> float:
    count = number(text)
    return 0.0 if math.isnan(count) else count
