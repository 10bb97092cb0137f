"""The symmetry of a data block: operations, Hall symbol, name or number, as trusted."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import product

import gemmi
import numpy as np
from pymatgen.core import Lattice

from pyg_sitenet.data.structure.cif.symmetry.group_names import (
    Settings,
    along_axis,
    is_standard_name,
    settings_of_name,
)
from pyg_sitenet.data.structure.cif.symmetry.named_group import (
    CODE,
    HALL,
    MAGNETIC,
    NAMES,
    NUMBERS,
    OPERATIONS,
    is_other_code,
    left_settings,
    named_settings,
    refuse_unknown,
    stated_names,
    warn_of_none,
)
from pyg_sitenet.data.structure.cif.symmetry.operations import (
    Group,
    group_of_hall,
    group_of_setting,
    read_operations,
)
from pyg_sitenet.data.structure.cif.values import Values, number
from pyg_sitenet.errors import SiteNetWarning, StructureError

_CENTERING = "_space_group_symop_magn_centering_xyz"
_MOMENTS = (
    "_atom_site_moment_crystalaxis_",
    "_atom_site_moment_cartn_",
    "_atom_site_moment_spherical_modulus",
    "_atom_site_moment_modulus",
)
# A wave that no three-dimensional cell holds.
_MODULATED = (
    "_cell_wave_vector",
    "_cell_subsystem",
    "_space_group_ssg_",
    "_space_group_symop_ssg_",
    "_space_group_magn_ssg_",
    "_space_group_symop_magn_ssg_",
    "_atom_site_displace_",
    "_atom_site_occ_fourier",
    "_atom_site_occ_special",
    "_atom_site_fourier",
    "_atom_site_moment_fourier",
    "_atom_site_moment_special",
    "_atom_site_rot_",
)


@dataclass(frozen=True)
class Symmetry:
    """What a data block says of its symmetry.

    Args:
        groups: The groups that it may mean; more than one where the origin is open.
        number: Type of space group that a crystal without these operations would
            have to have all the same, 0 if there is no contradiction to solve.
        conflict: Both sides of that contradiction.
        is_magnetic: Whether the operations are those of magnetic moments.
    """

    groups: tuple[Group, ...]
    number: int = 0
    conflict: str = ""
    is_magnetic: bool = False


def read_symmetry(values: Values, lattice: Lattice) -> Symmetry:
    """Return the groups that a data block may mean, the most trusted statement first.

    Raises:
        StructureError: If it is modulated, if what it says of its symmetry is not known
            or no group, or if two statements of it contradict each other.
    """
    _refuse_modulation(values)
    _warn_of_moments(values)
    named, is_agreed = named_settings(values)
    if values.column(MAGNETIC):
        return _magnetic(values)
    for source in (_listed, _generated):
        group = source(values)
        if group is not None:
            return _compare(group, named, values, lattice)
    if not named:
        refuse_unknown(values)
        warn_of_none(values)
        return Symmetry((read_operations(("x,y,z",)),))
    left = left_settings(named, values, is_agreed=is_agreed)
    oriented = along_axis(left, lattice.angles)
    return Symmetry(tuple(map(group_of_setting, oriented)))


def _refuse_modulation(values: Values) -> None:
    dimension = number(values.text("_cell_modulation_dimension"))
    tags = [tag for tag in values.columns if tag.startswith(_MODULATED)]
    if dimension > 0 or any(values.column(tag) for tag in tags):
        raise StructureError(
            f"{values.origin}: a modulated structure"
            f" ({(tags or ['_cell_modulation_dimension'])[0]}), which no cell of three"
            " dimensions holds; give an approximant in an ordinary supercell"
        )


def _warn_of_moments(values: Values) -> None:
    """Say that magnetic moments are left out, whatever the operations are of."""
    moments = (
        number(text)
        for tag, column in values.columns.items()
        if tag.startswith(_MOMENTS)
        for text in column
    )
    if values.column(MAGNETIC) or any(abs(moment) > 0 for moment in moments):
        message = (
            f"{values.origin}: magnetic moments are left out, its average structure is"
            " used"
        )
        warnings.warn(message, SiteNetWarning, stacklevel=4)


def _listed(values: Values) -> Group | None:
    lists = [values.column(tag) for tag in OPERATIONS if values.column(tag)]
    groups = [_group(texts, values.origin) for texts in lists]
    for other in groups[1:]:
        if not groups[0].is_same(other):
            raise StructureError(
                f"{values.origin}: lists {len(groups[0])} symmetry operations and, by"
                f" another name, {len(other)} that are not the same; remove the ones"
                " that are not meant"
            )
    return groups[0] if groups else None


def _group(texts: list[str], origin: str) -> Group:
    try:
        return read_operations(tuple(texts))
    except ValueError as error:
        raise StructureError(
            f"{origin}: its symmetry operations are no group: {error}; complete or"
            " correct them"
        ) from error


def _generated(values: Values) -> Group | None:
    hall = values.text(*HALL)
    if not hall:
        return None
    try:
        return group_of_hall(hall)
    except (RuntimeError, ValueError) as error:
        if values.column(*NAMES):
            return None
        raise StructureError(
            f"{values.origin}: the Hall symbol {hall!r} is not known ({error}) and no"
            " symmetry operations are given; export it with its operations or in P 1"
        ) from error


def _magnetic(values: Values) -> Symmetry:
    """Return the operations on atoms of a magnetic group: those without the moments."""
    turns = [_without_time(text) for text in values.column(MAGNETIC)]
    steps = [_without_time(text) for text in values.column(_CENTERING)] or ["x,y,z"]
    try:
        texts = [
            (gemmi.parse_triplet(step) * gemmi.parse_triplet(turn)).wrap().triplet()
            for turn, step in product(turns, steps)
        ]
    except RuntimeError as error:
        raise StructureError(
            f"{values.origin}: a magnetic symmetry operation cannot be read ({error});"
            " correct it"
        ) from error
    return Symmetry((_group(texts, values.origin),), is_magnetic=True)


def _without_time(text: str) -> str:
    return ",".join(text.split(",")[:3])


def _compare(
    group: Group, named: Settings, values: Values, lattice: Lattice
) -> Symmetry:
    """Compare the operations that are used with the name and the Hall symbol."""
    if not named:
        return Symmetry((group,))
    name, code = values.known(*NAMES, *NUMBERS)[0], values.text(CODE)
    name = f"{name} (code {code})" if code else name
    kind = group.number(np.array(lattice.matrix))
    own = group.setting.xhm() if group.setting else f"number {kind}"
    conflict = (
        f"its space group is {name} but its {len(group)} symmetry operations are those"
        f" of {own}"
    )
    if kind != named[0].number:
        return Symmetry((group,), named[0].number, conflict)
    if _is_other_setting(group, named, values):
        raise StructureError(f"{values.origin}: {conflict}; correct one of them")
    return Symmetry((group,))


def _is_other_setting(group: Group, named: Settings, values: Values) -> bool:
    """Tell whether a name or a code means another setting than the operations."""
    if group.setting is None:
        return False
    exact = [
        name
        for name in stated_names(values)
        if settings_of_name(name) and not is_standard_name(name, named[0])
    ]
    own = group.setting.xhm()
    is_other_name = bool(exact) and all(setting.xhm() != own for setting in named)
    return is_other_name or is_other_code(group.setting, values)


def hall_conflict(values: Values, group: Group) -> str:
    """Return both sides if the Hall symbol is not of the setting of the operations."""
    hall = values.text(*HALL)
    if not hall:
        return ""
    try:
        other = group_of_hall(hall)
    except (RuntimeError, ValueError):
        return ""
    if other.setting is None or group.setting is None:
        return ""
    if other.setting.xhm() == group.setting.xhm():
        return ""
    return (
        f"its Hall symbol is {hall} but its {len(group)} symmetry operations are those"
        f" of {group.setting.xhm()}"
    )
