"""Lattices without their atoms: reduction and minimum-image distances.

Everywhere the rows of ``cell`` are the lattice vectors, in angstrom.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Angstrom: no cell is longer, and the squares of more lose their digits.
MAX_LENGTH = 1e5

# Lengths that differ by less than this share of the cell's size count as equal: more
# than the noise of a change of setting, less than a distortion one would report.
RELATIVE_TOLERANCE = 1e-4

# Upper bound on the numbers held at once while images are compared (about 30 MB).
_CHUNK = 1 << 17


def minkowski_reduction(cell: Floats) -> Ints:
    """Return the unimodular ``M`` [3, 3] whose ``M @ cell`` has the shortest vectors.

    In the reduced lattice every Voronoi-relevant vector has coefficients -1, 0, 1.
    """
    transform = np.eye(3, dtype=np.int64)
    while True:
        rows = transform @ cell
        transform = transform[np.argsort((rows**2).sum(axis=1), kind="stable")]
        _shorten_second(transform, cell)
        shorter = _shortest_third(transform, cell)
        if shorter is None:
            return transform
        transform[2] = shorter


def _shorten_second(transform: Ints, cell: Floats) -> None:
    """Gauss-Lagrange reduction of the two short rows, in place."""
    while True:
        a, b = transform[:2] @ cell
        step = round(float(a @ b / (a @ a)))
        transform[1] -= step * transform[0]
        b = transform[1] @ cell
        if b @ b >= (a @ a) * (1 - 1e-12):
            return
        transform[[0, 1]] = transform[[1, 0]]


def _shortest_third(transform: Ints, cell: Floats) -> Ints | None:
    """Return the third row less its closest vector of the plane, if that is shorter."""
    plane = transform[:2] @ cell
    third = transform[2] @ cell
    coefficients = np.linalg.solve(plane @ plane.T, plane @ third)
    steps = np.floor(coefficients).astype(np.int64) + _CORNERS
    candidates = transform[2] - steps @ transform[:2]
    lengths = ((candidates @ cell) ** 2).sum(axis=1)
    best = int(np.argmin(lengths))
    # Large coefficients cancel: what is shorter by rounding alone would go on forever.
    largest = np.maximum(np.abs(transform[2]), np.abs(candidates[best]))
    noise = 8 * np.finfo(float).eps * float(largest @ np.abs(cell).sum(axis=1))
    if lengths[best] ** 0.5 < float(third @ third) ** 0.5 * (1 - 1e-12) - noise:
        return np.asarray(candidates[best])
    return None


_CORNERS = np.array([[x, y] for x in (-1, 0, 1, 2) for y in (-1, 0, 1, 2)])


@cache
def neighbour_offsets() -> Ints:
    """Return the offsets of -1, 0 and 1, one of each opposite two, [13, 3]."""
    grid = np.array(list(np.ndindex(3, 3, 3))) - 1
    return grid[14:]


def minimum_image_distances(vectors: Floats, cell: Floats) -> Floats:
    """Return the length of the shortest periodic image of each vector.

    See :func:`nearest_images`.
    """
    return nearest_images(vectors, cell)[0]


def nearest_images(vectors: Floats, cell: Floats) -> tuple[Floats, Ints]:
    """Return the length of the shortest periodic image of each vector, and its place.

    Exact for every cell: the lattice is Minkowski-reduced, a vector is wrapped into
    the reduced cell, and where it is longer than the inscribed radius all 27
    neighbouring images are compared.

    Args:
        vectors: Cartesian difference vectors, shape [num_vectors, 3], angstrom.
        cell: Lattice of the images, shape [3, 3], rows are the lattice vectors.

    Returns:
        Distances in angstrom, [num_vectors], and the lattice translations that lead
        from the vectors to these images, [num_vectors, 3].
    """
    transform = minkowski_reduction(cell)
    distances = np.empty(len(vectors))
    steps = np.empty((len(vectors), 3), dtype=np.int64)
    for start in range(0, len(vectors), _CHUNK):
        part = slice(start, start + _CHUNK)
        distances[part], reduced = _wrap(vectors[part], transform @ cell)
        steps[part] = reduced @ transform
    return distances, steps


def _wrap(vectors: Floats, reduced: Floats) -> tuple[Floats, Ints]:
    offsets = neighbour_offsets() @ reduced  # [13, 3]
    squares = (offsets**2).sum(axis=1)
    whole = np.rint(vectors @ np.linalg.inv(reduced))
    wrapped = vectors - whole @ reduced
    steps = -whole.astype(np.int64)
    lengths = np.einsum("ij,ij->i", wrapped, wrapped)
    far = np.flatnonzero(lengths > squares.min() / 4)
    if len(far):
        # |w +- v|^2 = |w|^2 + |v|^2 - 2 |w v| for the nearer of an opposite two.
        products = wrapped[far] @ offsets.T  # [num_far, 13]
        gains = squares - 2 * np.abs(products)
        best = gains.argmin(axis=1)[:, None]
        gain = np.take_along_axis(gains, best, axis=1)[:, 0]
        lengths[far] += np.minimum(gain, 0)
        sign = np.where(np.take_along_axis(products, best, axis=1) > 0, -1, 1)
        sign[gain >= 0] = 0
        steps[far] += sign * neighbour_offsets()[best[:, 0]]
    return np.asarray(np.sqrt(np.maximum(lengths, 0))), steps


def tree_points(cell: Floats, frac: Floats) -> tuple[Floats, Floats]:
    """Return points and periodic box for a search tree that ignores skewness.

    Coordinates are multiples of the plane spacings, so the largest difference in one
    of them (``p=inf``) is a lower bound of the distance.

    Args:
        cell: Reduced lattice, shape [3, 3], rows are the lattice vectors, angstrom.
        frac: Fractional coordinates, shape [num_points, 3], any range.

    Returns:
        Points [num_points, 3] and box [3], angstrom.
    """
    spacings = 1 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    # Rounding may reach the upper face, which belongs to the next cell.
    below = np.nextafter(spacings, 0)
    return np.minimum((frac - np.floor(frac)) * spacings, below), spacings


def niggli_reductions(cell: Floats) -> Ints:
    """Return every unimodular ``M`` whose ``M @ cell`` is a right-handed Niggli cell.

    All reduced forms within :data:`RELATIVE_TOLERANCE` are listed: several where the
    lattice is symmetric, so that the caller can choose between them by what fills it.

    Args:
        cell: Lattice, shape [3, 3], rows are the lattice vectors, of either hand.

    Returns:
        Integer matrices, shape [num_forms, 3, 3].
    """
    start = minkowski_reduction(cell)
    if np.linalg.det(start @ cell) < 0:
        start = -start
    reduced = start @ cell
    vectors, triples = _right_handed_triples()
    metric = vectors @ (reduced @ reduced.T) @ vectors.T  # [26, 26]
    rows, columns = triples[:, [0, 1, 2, 1, 0, 0]], triples[:, [0, 1, 2, 2, 2, 1]]
    forms = metric[rows, columns] * (1, 1, 1, 2, 2, 2)  # A B C xi eta zeta
    size = float(np.linalg.det(reduced)) ** (2 / 3)
    # Lattices that are nearly symmetric in several ways may meet no form at one
    # tolerance; a smaller one tells the ways apart.
    for epsilon in RELATIVE_TOLERANCE * size * np.logspace(0, -8, 9):
        accepted = np.flatnonzero(_is_niggli(forms, epsilon))
        if len(accepted):
            break
    else:
        accepted = np.arange(len(forms))  # the shortest vectors at least
    accepted = accepted[tolerant_minima(forms[accepted], 10 * epsilon)]
    return np.asarray(vectors[triples[accepted]] @ start)


def tolerant_minima(rows: Floats, tolerance: float) -> Ints:
    """Return the rows that are lexicographically smallest up to a tolerance."""
    indices = np.arange(len(rows))
    if np.ptp(rows, axis=0).max() <= tolerance:
        return indices
    for column in rows.T:
        indices = indices[column[indices] <= column[indices].min() + tolerance]
    return indices


@cache
def _right_handed_triples() -> tuple[Ints, Ints]:
    """Return the 26 short vectors and the triples of them with determinant 1."""
    vectors = np.vstack([neighbour_offsets(), -neighbour_offsets()])
    triples = np.array(list(np.ndindex(26, 26, 26)))
    volumes = np.linalg.det(vectors[triples])
    return vectors, triples[np.rint(volumes) == 1]


def _is_niggli(forms: Floats, epsilon: float) -> NDArray[np.bool_]:
    """Test the conditions of International Tables A, section 3.1.3; forms [n, 6]."""
    a, b, c = forms[:, :3].T
    xi, eta, zeta = np.abs(forms[:, 3:]).T
    acute = (forms[:, 3:] > epsilon).all(axis=1)
    obtuse = (forms[:, 3:] <= epsilon).all(axis=1)

    def at_most(left: Floats, right: Floats | float) -> NDArray[np.bool_]:
        return np.asarray(left <= right + epsilon)

    def if_equal(left: Floats, right: Floats) -> NDArray[np.bool_]:
        return np.asarray(np.abs(left - right) > epsilon)

    buerger = at_most(a, b) & at_most(b, c)
    buerger &= at_most(xi, b) & at_most(eta, a) & at_most(zeta, a)
    buerger &= if_equal(a, b) | at_most(xi, eta)
    buerger &= if_equal(b, c) | at_most(eta, zeta)
    acute &= if_equal(xi, b) | at_most(zeta, 2 * eta)
    acute &= if_equal(eta, a) | at_most(zeta, 2 * xi)
    acute &= if_equal(zeta, a) | at_most(eta, 2 * xi)
    obtuse &= at_most(xi + eta + zeta, a + b)
    obtuse &= if_equal(xi, b) | at_most(zeta, 0.0)
    obtuse &= if_equal(eta, a) | at_most(zeta, 0.0)
    obtuse &= if_equal(zeta, a) | at_most(eta, 0.0)
    obtuse &= if_equal(xi + eta + zeta, a + b) | at_most(2 * a, 2 * eta + zeta)
    return buerger & (acute | obtuse)
