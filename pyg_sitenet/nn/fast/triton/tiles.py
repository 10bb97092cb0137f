"""How pairs and channels are divided among the programs of a kernel."""

from __future__ import annotations

TILE = 2048
"""Numbers in a program's tile: 16 a thread."""
ALIGNMENT = 16
"""Numbers that rows of tables and products are a multiple of."""
_WARPS, _WARPS_BACKWARD = 4, 8
_WIDEST = 128


def tile_sizes(width: int) -> dict[str, int]:
    """Return the sizes that a kernel is compiled for, by their names in it."""
    filled = max(ALIGNMENT, 1 << (width - 1).bit_length())
    row = width + -width % ALIGNMENT
    return {
        "C": width,
        "CS": row,
        "PS": row,
        "CP": filled,
        "BP": max(1, TILE // filled),
    }


def warps(filled: int | None = None) -> int:
    """Return the warps of a program, of the backward pass on ``CP`` channels if given.

    That needs twice the registers, unless wide rows would be cut among many threads.
    """
    if filled is None or filled > _WIDEST:
        return _WARPS
    return _WARPS_BACKWARD
