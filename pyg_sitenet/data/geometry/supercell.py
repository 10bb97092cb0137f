"""The supercell of the paper: roughly cubic, at most ``max_atoms`` atoms."""

from __future__ import annotations

import math
import warnings

import numpy as np

from pyg_sitenet.data.geometry.lattice import Floats, Ints, nearest_images
from pyg_sitenet.data.geometry.pairs import Pairs
from pyg_sitenet.errors import SiteNetWarning, StructureError

# Lengths and half-integers that agree to this share are ties: floating-point noise
# from a rotation or another setting of the cell must not choose the supercell.
_TIE = 1e-4

# Pairs of one crystal at most: more need many GB and minutes, in the model too.
MAX_PAIRS = 5_000_000

# Pairs whose vectors are held at once (about 25 MB).
_CHUNK = 1 << 20


def make_supercell(cell: Floats, num_sites: int, max_atoms: int) -> Ints:
    """Choose the supercell whose edges are as equal as ``max_atoms`` allows.

    The cell is sheared to an orthogonal one (:math:`L = R Q` with upper triangular
    :math:`R`), the shortest edge is repeated while the atoms fit, and the shear is
    rounded to integers.

    Args:
        cell: Primitive lattice, shape [3, 3], rows are the lattice vectors, angstrom.
        num_sites: Atoms in the primitive cell.
        max_atoms: Most atoms the supercell may have. A larger primitive cell is kept.

    Returns:
        Integer matrix, shape [3, 3], upper triangular; its rows are the supercell
        vectors in units of the primitive ones, its determinant the number of images.
    """
    # R from the metric alone, so that the orientation of the cell plays no part:
    # G = R R^T with upper triangular R is a Cholesky factor in reversed order.
    metric = cell @ cell.T
    upper = np.linalg.cholesky(metric[::-1, ::-1])[::-1, ::-1]
    inverse = np.linalg.inv(upper)
    shear = inverse / np.diag(inverse)[:, None]
    repeats = _repeats(np.diag(upper), num_sites, max_atoms)
    rounded = _round_half_to_zero(repeats[:, None] * shear)
    return np.triu(rounded)


def _repeats(lengths: Floats, num_sites: int, max_atoms: int) -> Ints:
    repeats = np.ones(3, dtype=np.int64)
    while True:
        edges = repeats * lengths
        shortest = int(np.argmax(edges <= edges.min() * (1 + _TIE)))
        repeats[shortest] += 1
        if repeats.prod() * num_sites > max_atoms:
            repeats[shortest] -= 1
            return repeats


def _round_half_to_zero(values: Floats) -> Ints:
    magnitude = np.ceil(np.abs(values) - 0.5 - _TIE)
    return (np.sign(values) * magnitude).astype(np.int64)


def image_translations(supercell_matrix: Ints) -> Ints:
    """Return the primitive translations inside a supercell, [num_images, 3].

    An upper triangular matrix has the box of its diagonal as representatives; 0 0 0
    comes first.
    """
    return np.array(list(np.ndindex(*np.diag(supercell_matrix))), dtype=np.int64)


def inside_supercell(image: Ints, supercell_matrix: Ints) -> Ints:
    """Move translations [..., 3] into the box of an upper triangular supercell."""
    image = image.copy()
    for axis in range(3):
        steps = image[..., axis] // supercell_matrix[axis, axis]
        image -= steps[..., None] * supercell_matrix[axis]
    return image


def supercell_pairs(cell: Floats, frac: Floats, max_atoms: int) -> Pairs:
    """Pair every unique site with every atom of the supercell, the paper's environment.

    Args:
        cell: Primitive lattice, shape [3, 3], rows are the lattice vectors, angstrom.
        frac: Fractional coordinates of the unique sites, shape [num_sites, 3].
        max_atoms: Most atoms the supercell may have.

    Returns:
        Pairs sorted by receiver, then by sender, then by image. A primitive cell with
        more than ``max_atoms`` sites is kept whole, with a :class:`SiteNetWarning`.

    Raises:
        StructureError: If that would be more than ``MAX_PAIRS``.
    """
    num_sites = len(frac)
    if num_sites**2 > max(MAX_PAIRS, num_sites * max_atoms):
        raise StructureError(
            f"the primitive cell has {num_sites} sites, too many to pair each with each"
            f" (at most {math.isqrt(MAX_PAIRS)}); take a smaller cell, or a model with"
            " environment=sphere"
        )
    if num_sites > max_atoms:
        message = f"the primitive cell has {num_sites} sites, more than max_atoms="
        warnings.warn(f"{message}{max_atoms}; it is kept", SiteNetWarning, stacklevel=2)
    matrix = make_supercell(cell, num_sites, max_atoms)
    images = image_translations(matrix)
    distance, steps = _nearest(cell, frac, images, matrix)
    image = np.tile(images, (num_sites * num_sites, 1))
    sites = np.arange(num_sites)
    num_atoms = num_sites * len(images)
    return Pairs(
        sender=np.tile(np.repeat(sites, len(images)), num_sites),
        receiver=np.repeat(sites, num_atoms),
        image=image,
        distance=distance,
        supercell_matrix=matrix,
        nearest=image + steps @ matrix,
    )


def _nearest(
    cell: Floats, frac: Floats, images: Ints, matrix: Ints
) -> tuple[Floats, Ints]:
    """Return the nearest image of each atom of the supercell for each site.

    Returns:
        Distances, [num_sites * num_sites * num_images], and the steps to those images
        in units of the supercell's vectors, [the same, 3].
    """
    num_sites, num_images = len(frac), len(images)
    sites = frac @ cell
    atoms = (sites[:, None] + images @ cell).reshape(-1, 3)
    table = np.empty((num_sites, len(atoms)))
    steps = np.empty((num_sites, len(atoms), 3), dtype=np.int64)
    rows = max(1, _CHUNK // len(atoms))
    for start in range(0, num_sites, rows):
        part = slice(start, start + rows)
        vectors = atoms - sites[part, None]
        distances, nearest = nearest_images(vectors.reshape(-1, 3), matrix @ cell)
        table[part] = distances.reshape(len(vectors), -1)
        steps[part] = nearest.reshape(*vectors.shape)
    own = np.arange(num_sites)
    table[own, own * num_images] = 0  # exactly: the first image is the site itself
    return table.reshape(-1), steps.reshape(-1, 3)
