"""An environment without a box: a sphere in the infinite crystal."""

from __future__ import annotations

import numpy as np

from pyg_sitenet.data.lattice import Floats, Ints
from pyg_sitenet.data.supercell import Pairs

TAPER = 0.25
"""Share of the radius over which an atom's weight falls from 1 to 0."""

# Pairs whose vectors are held at once (about 25 MB).
_CHUNK = 1 << 20


def sphere_radius(cell: Floats, num_sites: int, max_atoms: int) -> float:
    """Return the radius (angstrom) whose sphere holds ``max_atoms`` on average."""
    volume_per_atom = abs(np.linalg.det(cell)) / num_sites
    return float((3 * max_atoms * volume_per_atom / (4 * np.pi)) ** (1 / 3))


def taper(distance: Floats, radius: float) -> Floats:
    """Return weights that are 1 inside and fall to 0 at the radius, twice smoothly."""
    rest = np.clip((1 - distance / radius) / TAPER, 0, 1)
    return rest**3 * (10 - 15 * rest + 6 * rest**2)


def sphere_pairs(cell: Floats, frac: Floats, max_atoms: int) -> Pairs:
    """Pair every unique site with all atoms of the infinite crystal within a sphere.

    Every setting of a cell and every supercell of it gives the same, distances are
    complete up to the radius, and atoms that cross it do so with weight 0.

    Args:
        cell: Lattice, shape [3, 3], rows are the lattice vectors, angstrom; short
            vectors (Niggli) keep the search small.
        frac: Fractional coordinates of the unique sites, shape [num_sites, 3].
        max_atoms: Atoms that the sphere holds on average, the site itself among them.

    Returns:
        Pairs sorted by receiver, then by sender, with their ``weight``; the supercell
        matrix is that of the cell itself.
    """
    radius = sphere_radius(cell, len(frac), max_atoms)
    translations = _translations(cell, radius)
    rows = max(1, _CHUNK // (len(frac) * len(translations)))
    parts = [
        _within(
            cell,
            frac,
            np.arange(start, min(start + rows, len(frac))),
            translations,
            radius,
        )
        for start in range(0, len(frac), rows)
    ]
    receiver, sender, image, distance = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    return Pairs(
        sender=sender,
        receiver=receiver,
        image=image,
        distance=distance,
        supercell_matrix=np.eye(3, dtype=np.int64),
        weight=taper(distance, radius),
    )


def _translations(cell: Floats, radius: float) -> Ints:
    """Return all lattice translations that can bring a wrapped vector within reach."""
    heights = 1 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    reach = np.ceil(radius / heights + 0.5).astype(int)
    axes = [np.arange(-r, r + 1) for r in reach]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    # Wrapped vectors are at most half of each cell edge long.
    slack = 0.5 * np.linalg.norm(cell, axis=1).sum()
    near: Ints = grid[np.linalg.norm(grid @ cell, axis=1) < radius + slack]
    return near


def _within(
    cell: Floats, frac: Floats, receivers: Ints, translations: Ints, radius: float
) -> tuple[Ints, Ints, Ints, Floats]:
    """Return receiver, sender, image and distance of the pairs within the radius."""
    delta = frac - frac[receivers, None]  # [r, n, 3]
    wrap = np.rint(delta)
    vectors = (delta - wrap)[:, :, None] @ cell + translations @ cell  # [r, n, t, 3]
    distance = np.linalg.norm(vectors, axis=-1)
    row, sender, step = np.nonzero(distance < radius)
    image = translations[step] - wrap[row, sender].astype(np.int64)
    return receivers[row], sender, image, distance[row, sender, step]
