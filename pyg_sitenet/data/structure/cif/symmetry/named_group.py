"""The space group that a data block names: by symbols or by its number."""

from __future__ import annotations

import warnings
from itertools import chain

import gemmi

from pyg_sitenet.data.structure.cif.symmetry.group_names import (
    Settings,
    is_standard_name,
    num_settings,
    settings_of_name,
    settings_of_number,
)
from pyg_sitenet.data.structure.cif.symmetry.setting_codes import (
    is_among,
    settings_of_code,
)
from pyg_sitenet.data.structure.cif.values import Values, is_null
from pyg_sitenet.errors import SiteNetWarning, StructureError

OPERATIONS = (
    "_space_group_symop_operation_xyz",
    "_symmetry_equiv_pos_as_xyz",
    "_symmetry_equiv_position_as_xyz",
)
HALL = ("_space_group_name_hall", "_symmetry_space_group_name_hall")
NAMES = (
    "_space_group_name_h-m_alt",
    "_symmetry_space_group_name_h-m",
    "_space_group_name_h-m",
    "_space_group_name_h-m_full",
    "_symmetry_space_group_name_h-m_full",
    "_space_group_name_h-m_ref",
)
NUMBERS = ("_space_group_it_number", "_symmetry_int_tables_number")
CODE = "_space_group_it_coordinate_system_code"
MAGNETIC = "_space_group_symop_magn_operation_xyz"
# What tells, without any symmetry, how many atoms the cell has.
_NUMBER_OF_FORMULAS = "_cell_formula_units_z"
_FORMULAS = ("_chemical_formula_sum", "_chemical_formula_weight")
_COUNTS = (
    "_exptl_crystal_density_diffrn",
    "_atom_site_symmetry_multiplicity",
    "_atom_site_site_symmetry_multiplicity",
)
# What says of the symmetry nothing that atoms could be multiplied by.
_SILENT = (
    "_symmetry_cell_setting",
    "_space_group_crystal_system",
    "_space_group_id",
    "_space_group_laue_class",
    "_space_group_patterson",
    "_space_group_point_group",
    "_space_group_centring_type",
    "_space_group_bravais_type",
    "_space_group_wyckoff",
    "_space_group_transform",
    "_space_group_symop_id",
    "_space_group_symop_sg_id",
    "_symmetry_equiv_pos_site_id",
)


def stated_names(values: Values) -> list[str]:
    """Return all symbols of the group, which may be looped, but not of its standard."""
    names = [name for tag in NAMES[:-1] for name in values.known(tag)]
    return list(dict.fromkeys(names))


def named_settings(values: Values) -> tuple[Settings, bool]:
    """Return the settings that names and number may mean, none if none is known.

    Beside them is whether the names agree: if not, each setting is that of a name.

    Raises:
        StructureError: If two of them are of different types.
    """
    numbers = {text for tag in NUMBERS if (text := values.text(tag))}
    names = stated_names(values)
    stated = [(name, settings_of_name(name)) for name in names]
    stated += [(text, _by_number(text)) for text in sorted(numbers)]
    reference = settings_of_name(values.text(NAMES[-1])) if not stated else ()
    if reference:
        stated.append((values.text(NAMES[-1]), _by_number(str(reference[0].number))))
    readable = [(text, settings) for text, settings in stated if settings]
    kinds = {settings[0].number for _, settings in readable}
    if len(kinds) > 1:
        shown = " and ".join(text for text, _ in readable)
        raise StructureError(
            f"{values.origin}: the space group is said to be {shown}, which are"
            " different ones; correct one"
        )
    by_name = _by_names(names) or [readable[0][1] if readable else ()]
    shared = tuple(s for s in by_name[0] if all(s in other for other in by_name))
    return shared or tuple(chain.from_iterable(by_name)), bool(shared)


def _by_names(names: list[str]) -> list[Settings]:
    """Return what each known name means; names of types only if there are no others."""
    known = [(name, found) for name in names if (found := settings_of_name(name))]
    exact = [found for name, found in known if not is_standard_name(name, found[0])]
    return exact or [found for _, found in known]


def left_settings(named: Settings, values: Values, *, is_agreed: bool) -> Settings:
    """Return the settings that all names, and the code of the axes, leave.

    A number stands for its standard setting only where the code names no other.

    Args:
        named: What names and number may mean.
        values: Names and values of the data block.
        is_agreed: Whether the names agree on it.

    Raises:
        StructureError: If they leave none.
    """
    if not is_agreed:
        shown = " and ".join(stated_names(values))
        raise StructureError(
            f"{values.origin}: the space group is said to be {shown}, which are"
            " different settings; correct one or give the symmetry operations"
        )
    code = values.text(CODE)
    if not code:
        return named
    allowed = settings_of_code(named[0].number, code)
    kept = _shared(named, allowed)
    if kept or (allowed and not _is_named(values)):
        return kept or allowed
    shown = values.known(*NAMES, *NUMBERS)[0]
    meant = " or ".join(setting.xhm() for setting in allowed) or "nothing"
    raise StructureError(
        f"{values.origin}: the space group is said to be {shown}, but {code} ({CODE})"
        f" means {meant} of number {named[0].number}; correct one of them or give the"
        " symmetry operations"
    )


def _shared(named: Settings, allowed: Settings) -> Settings:
    """Return the settings that a name and a code share.

    Settings of two names may have the same operations: C c c a and C c c b, but at the
    first origin alone; then they share nothing, for the code leaves the second, too.
    """
    kept = tuple(setting for setting in named if is_among(setting, allowed))
    is_same_name = not {s.hm for s in named}.isdisjoint(s.hm for s in allowed)
    is_same = is_same_name or all(is_among(setting, kept) for setting in allowed)
    return kept if is_same else ()


def is_other_code(setting: gemmi.SpaceGroup, values: Values) -> bool:
    """Tell whether the code of the coordinate system means other settings."""
    allowed = settings_of_code(setting.number, values.text(CODE))
    return bool(allowed) and not is_among(setting, allowed)


def _is_named(values: Values) -> bool:
    return any(map(settings_of_name, stated_names(values)))


def _is_settled(number: str, values: Values) -> bool:
    """Tell whether a number needs no name: by its only setting or by the code."""
    if num_settings(int(number)) == 1:
        return True
    coded = {s.hm for s in settings_of_code(int(number), values.text(CODE))}
    # The code may mean several settings, but not the standard one: c of number 14.
    is_other = bool(coded) and _by_number(number)[0].hm not in coded
    return len(coded) == 1 or is_other


def _by_number(text: str) -> Settings:
    number = int(text) if text.isdecimal() and len(text) < 4 else 0
    return settings_of_number(number) if 1 <= number <= 230 else ()


def check_named(values: Values) -> None:
    """Refuse to take a name that is not known for the standard one of its number.

    Raises:
        StructureError: If nothing else tells the setting.
    """
    names = stated_names(values)
    if values.column(*OPERATIONS) or values.text(*HALL) or values.column(MAGNETIC):
        return
    number = values.text(*NUMBERS)
    if _is_named(values) or not number or not _by_number(number):
        return
    if _is_settled(number, values):
        return
    if names:
        raise StructureError(
            f"{values.origin}: the space group {names[0]!r} is not known, and number"
            f" {number} has several settings; export it with its operations or in P 1"
        )
    warnings.warn(
        f"{values.origin}: only the number {number} tells its space group: the standard"
        " setting is used",
        SiteNetWarning,
        stacklevel=3,
    )


def refuse_unknown(values: Values) -> None:
    """Refuse symmetry that would otherwise be taken for none.

    Raises:
        StructureError: If a tag says something of it.
    """
    for tag, column in values.columns.items():
        is_symmetry = tag.startswith(("_symmetry_", "_space_group_"))
        if not is_symmetry or tag.startswith(_SILENT) or all(map(is_null, column)):
            continue
        shown = "".join(values.known(tag)[0].split())
        raise StructureError(
            f"{values.origin}: the space group {shown} is not known ({tag}) and no"
            " symmetry operations are given; export it with its operations or in P 1"
        )


def warn_of_none(values: Values) -> None:
    """Say that all atoms are taken for listed, where nothing tells how many there are.

    What tells of it is compared with the atoms, and refused if it contradicts them.
    """
    has_number = values.known(_NUMBER_OF_FORMULAS) and values.known(*_FORMULAS)
    if has_number or values.known(*_COUNTS):
        return
    message = (
        f"{values.origin}: no space group is stated; read in P 1: if only"
        " symmetry-unique atoms are listed, add the operations"
    )
    warnings.warn(message, SiteNetWarning, stacklevel=4)
