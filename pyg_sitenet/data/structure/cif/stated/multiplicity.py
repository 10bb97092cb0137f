"""How many sites each atom of a CIF is stated to have, compared with its images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pyg_sitenet.data.structure.cif.atoms import Row
from pyg_sitenet.data.structure.cif.stated.wyckoff import stated_symbols
from pyg_sitenet.data.structure.cif.symmetry.operations import Group
from pyg_sitenet.data.structure.cif.values import Values, number
from pyg_sitenet.errors import StructureError


def multiplicity_conflict(
    rows: Sequence[Row], counts: Sequence[int], group: Group, values: Values
) -> str:
    """Return which atom has another number of images than is stated of it, or nothing.

    Old files have the order of the site's symmetry under the same name: that is taken
    too, if it is right for all atoms.
    """
    stated = _stated_multiplicities(rows, values)
    pairs = [(row, n, m) for row, n, m in zip(rows, counts, stated, strict=True) if m]
    if all(n == m for _, n, m in pairs) or all(
        n * m == len(group) for _, n, m in pairs
    ):
        return ""
    if len(group) == 1 and _is_expanded(pairs):
        return ""
    is_rhombohedral = group.setting is not None and group.setting.ext == "R"
    if is_rhombohedral and all(3 * n == m for _, n, m in pairs):
        return ""
    row, n, m = next(pair for pair in pairs if pair[1] != pair[2])
    return (
        f"atom {row.number} ({row.label}) is stated to be on {m:g} sites but its"
        f" {len(group)} symmetry operations make {n}; correct the symmetry or the"
        " position"
    )


def check_orders(
    rows: Sequence[Row], counts: Sequence[int], group: Group, values: Values
) -> None:
    """Compare the images of each atom with the order of its site's symmetry.

    Raises:
        StructureError: If one has another number of images.
    """
    numbers = (row.number for row in rows)
    texts = values.cells(numbers, "_atom_site_site_symmetry_order")
    for row, count, text in zip(rows, counts, texts, strict=True):
        if number(text) > 0 and number(text) * count != len(group):
            raise StructureError(
                f"{values.origin}: atom {row.number} ({row.label}) is on {count} sites"
                f" of {len(group)} operations but its site symmetry is stated to be of"
                f" order {text}; correct the symmetry or the position"
            )


def _stated_multiplicities(rows: Sequence[Row], values: Values) -> list[float]:
    texts = values.cells(
        (row.number for row in rows),
        "_atom_site_symmetry_multiplicity",
        "_atom_site_site_symmetry_multiplicity",
    )
    numbers = [0.0 if not number(text) > 0 else number(text) for text in texts]
    symbols = stated_symbols(rows, values)
    return [
        stated or float(multiplicity)
        for stated, (multiplicity, _) in zip(numbers, symbols, strict=True)
    ]


def _is_expanded(pairs: Sequence[tuple[Row, int, float]]) -> bool:
    """Tell whether all images are listed, each with the number of them."""
    sites = Counter((frozenset(row.species), m) for row, _, m in pairs)
    return all(count % m == 0 for (_, m), count in sites.items())
