"""Groups of atoms of a CIF that exclude each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from pyg_sitenet.data.structure.cif.values import is_null, number
from pyg_sitenet.errors import StructureError

# Groups that share places may be this much more than full together.
_TOLERANCE = 0.05


def check_groups(columns: Mapping[str, list[str]], origin: str) -> None:
    """Refuse alternatives of which each is said, or left, to be there as a whole.

    Args:
        columns: Of the atoms, by the ends of their tags.
        origin: File that messages begin with.

    Raises:
        StructureError: If their occupancies are missing or add up to more than 1.
    """
    least: dict[str, dict[str, float]] = defaultdict(dict)
    for assembly, group, text in zip(
        columns["disorder_assembly"],
        columns["disorder_group"],
        columns["occupancy"],
        strict=True,
    ):
        if is_null(group) or group == "0":
            continue
        if group.startswith("-") and is_null(text):
            raise StructureError(
                f"{origin}: the atoms of disorder group {group} and their images are"
                " alternatives; give _atom_site_occupancy of each"
            )
        share = 1.0 if is_null(text) else number(text)
        groups = least[assembly]
        groups[group] = min(share, groups.get(group, share))
    for assembly, groups in least.items():
        if len(groups) > 1 and sum(groups.values()) > 1 + _TOLERANCE:
            raise StructureError(
                f"{origin}: the disorder groups {', '.join(groups)} (assembly"
                f" {assembly}) are alternatives but their occupancies add up to"
                f" {sum(groups.values()):.4g}; give _atom_site_occupancy of each"
            )
