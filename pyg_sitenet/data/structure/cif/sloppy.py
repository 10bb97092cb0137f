"""Text that is almost a CIF: what lies outside of the structure may be damaged."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator

from pyg_sitenet.data.structure.cif.values import is_used, plain_tag
from pyg_sitenet.errors import SiteNetWarning, StructureError

# A text field, a comment, a quoted value (lines of a CIF have 2048 letters) or a word.
_TOKEN = re.compile(
    r"""^;.*?^;|\#[^\n]*|'(?:[^'\n]|'(?=\S)){0,2048}'(?=\s|$)"""
    r"""|"(?:[^"\n]|"(?=\S)){0,2048}"(?=\s|$)|\S+""",
    re.MULTILINE | re.DOTALL,
)
_KEYWORDS = ("data_", "loop_", "save_", "global_", "stop_")


def sloppy_items(text: str, origin: str) -> Iterator[tuple[list[str], list[str]]]:
    """Yield tags and values of each pair and loop of a block that is no proper CIF.

    Values that belong to nothing are left out with a warning.

    Raises:
        StructureError: If what is damaged tells of the crystal.
    """
    for tags, values, is_loop in _groups(text):
        is_needed = any(is_used(plain_tag(tag)) for tag in tags)
        if is_loop and len(values) % len(tags) == 0:
            yield tags, values
        elif is_needed and (is_loop or len(values) != 1):
            raise StructureError(
                f"{origin}: damaged, truncated or no CIF: {tags[0]} begins"
                f" {len(tags)} columns but {len(values)} values follow; complete them"
            )
        elif is_needed:
            yield tags, values
        elif not is_loop and len(values) > 1:
            message = f"{origin}: values after {tags[0]} belong to nothing: left out"
            warnings.warn(message, SiteNetWarning, stacklevel=3)


def _groups(text: str) -> Iterator[tuple[list[str], list[str], bool]]:
    tags: list[str] = []
    values: list[str] = []
    is_loop = False
    for token in _TOKEN.findall(text):
        word = token.lower()
        if token.startswith("#"):
            continue
        starts = word.startswith(_KEYWORDS)
        if starts or (token.startswith("_") and (values or not is_loop)):
            if tags:
                yield tags, values, is_loop
            tags, values = [], []
            is_loop = word.startswith("loop_")
        if token.startswith("_"):
            tags.append(token)
        elif tags and not starts:
            values.append(token)
    if tags:
        yield tags, values, is_loop
