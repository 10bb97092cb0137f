"""The text of a CIF's data block in the spelling that its reader knows."""

from __future__ import annotations

import re

from pyg_sitenet.errors import StructureError

_TAG = re.compile(r"^(\s*)(_\S+)(.*)$", re.DOTALL)
_BLOCK = re.compile(r"^\s*data_", re.IGNORECASE)

# Tags are the same in any case, but the reader knows one spelling of each.
_CASED = {
    tag.lower(): tag
    for tag in (
        "_symmetry_space_group_name_H-M",
        "_symmetry_space_group_name_Hall",
        "_symmetry_Int_Tables_number",
        "_space_group_name_H-M_alt",
        "_space_group_name_Hall",
        "_space_group_IT_number",
    )
}
_LOWER = ("_cell_", "_atom_", "_symmetry_equiv_", "_space_group_symop_", "_chemical_")
_ONCE = ("_cell_length_", "_cell_angle_", "_atom_site_fract_")


def normalize_block(text: str, origin: str) -> str:
    """Return a data block with tags as the reader spells them.

    Args:
        text: The block.
        origin: File that messages begin with.

    Raises:
        StructureError: If the cell or the coordinates are given twice and differ: the
            reader would take the last, other programs the first.
    """
    lines, in_text = [], False
    seen: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith(";"):
            in_text = not in_text
        match = None if in_text else _TAG.match(line)
        if in_text and _BLOCK.match(line):
            lines.append(f"|{line}")  # the reader would begin another block here
        elif match:
            blank, tag, rest = match.groups()
            _check_once(tag.lower(), rest.strip(), seen, origin)
            lines.append(f"{blank}{_spelling(tag)}{rest}")
        else:
            lines.append(line)
    return "\n".join(lines)


def _spelling(tag: str) -> str:
    lower = tag.lower()
    return lower if lower.startswith(_LOWER) else _CASED.get(lower, tag)


def _check_once(tag: str, value: str, seen: dict[str, str], origin: str) -> None:
    if not tag.startswith(_ONCE):
        return
    if tag in seen and (not value or value != seen[tag]):
        raise StructureError(
            f"{origin}: gives {tag} twice; remove the one that is not meant"
        )
    seen[tag] = value
