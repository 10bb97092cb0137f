"""Make the table of Wyckoff positions without a list, to compare it with the one used.

``pyg_sitenet/data/structure/cif/stated/wyckoff.csv`` was not made by this: it was
derived from the lists of PyXtal. All 230 space groups are the same in both.

Points on special positions are made by projecting random ones on the points that
operations leave fixed; spglib says the letter of each in a crystal of that space group.

    python scripts/make_wyckoff.py > wyckoff.csv
"""

from __future__ import annotations

import sys
from collections import Counter

import numpy as np
import numpy.typing as npt
import spglib

Floats = npt.NDArray[np.float64]
Kind = tuple[int, int, tuple[float, ...]]

HEADER = (
    "number,multiplicity in a primitive cell and number of free coordinates of a b c"
    " ..."
)
LETTERS = "abcdefghijklmnopqrstuvwxyzA"
GENERIC = ((0.1237, 0.2713, 0.3891), (0.0719, 0.4127, 0.1753))
STANDARD = [
    min(h for h in range(1, 531) if spglib.get_spacegroup_type(h).number == number)
    for number in range(1, 231)
]


def cell_of(number: int) -> Floats:
    """Return lattice vectors that every group of this system has."""
    lengths, angles = [5.1, 6.3, 7.7], [90.0, 90.0, 90.0]
    if number < 3:
        angles = [81.0, 97.0, 104.0]
    elif number < 16:
        angles = [90.0, 101.0, 90.0]
    elif number >= 195:
        lengths = [6.3] * 3
    elif number >= 143:
        lengths, angles = [5.1, 5.1, 7.7], [90.0, 90.0, 120.0]
    elif number >= 75:
        lengths = [5.1, 5.1, 7.7]
    a, b, c = lengths
    alpha, beta, gamma = np.deg2rad(angles)
    x = np.cos(beta)
    y = (np.cos(alpha) - np.cos(beta) * np.cos(gamma)) / np.sin(gamma)
    return np.array(
        [
            [a, 0, 0],
            [b * np.cos(gamma), b * np.sin(gamma), 0],
            [c * x, c * y, c * np.sqrt(1 - x * x - y * y)],
        ]
    )


def images(point: Floats, turns: Floats, shifts: Floats) -> Floats:
    """Return the different images of a point."""
    points = (turns @ point + shifts) % 1
    apart = points[:, None] - points
    is_same = np.abs(apart - np.rint(apart)).max(2) < 1e-6
    return points[np.unique(is_same.argmax(1))]


def special(random: np.random.Generator, turns: Floats, shifts: Floats) -> Floats:
    """Return a point that up to three operations leave where it is."""
    matrix, right = np.zeros((0, 3)), np.zeros(0)
    start = random.random(3)
    point = start
    for _ in range(random.integers(1, 4)):
        number = random.integers(len(turns))
        step = random.integers(-1, 2, 3)
        more = np.vstack([matrix, turns[number] - np.eye(3)])
        goal = np.concatenate([right, step - shifts[number]])
        inverse = np.linalg.pinv(more)
        trial = inverse @ goal + (np.eye(3) - inverse @ more) @ start
        if np.abs(more @ trial - goal).max() < 1e-9:
            matrix, right, point = more, goal, trial
    return point % 1


def freedom(point: Floats, turns: Floats, shifts: Floats) -> int:
    """Return how many coordinates of a point are free."""
    steps = turns @ point + shifts - point
    stays = np.abs(steps - np.rint(steps)).max(1) < 1e-6
    left = (turns[stays] - np.eye(3)).reshape(-1, 3)
    return 3 - int(np.linalg.matrix_rank(left, tol=1e-6))


def kind(point: Floats, turns: Floats, shifts: Floats) -> Kind:
    """Return multiplicity, freedom and, where nothing is free, which set of sites."""
    orbit, free = images(point, turns, shifts), freedom(point, turns, shifts)
    sites = np.round(orbit, 4) % 1
    first = min(map(tuple, sites.tolist())) if free == 0 else ()
    return len(orbit), free, first


def letters(
    number: int, cell: Floats, turns: Floats, shifts: Floats, points: list[Floats]
) -> list[str]:
    """Return the letters of points, the general one first."""
    orbits = [images(np.array(p), turns, shifts) for p in (*GENERIC, *points)]
    kinds = np.repeat(np.arange(len(orbits)), [len(orbit) for orbit in orbits])
    data = spglib.get_symmetry_dataset((cell, np.concatenate(orbits), kinds), 1e-4)
    if data is None or data.number != number:
        return []
    first = np.cumsum([0, *(len(orbit) for orbit in orbits)])[:-1]
    return [data.wyckoffs[k] for k in first]


def table(number: int) -> str:
    """Return multiplicity in a primitive cell and freedom of each letter."""
    operations = spglib.get_symmetry_from_database(STANDARD[number - 1])
    turns, shifts = operations["rotations"], operations["translations"]
    centring = int((turns == np.eye(3, dtype=int)).all((1, 2)).sum())
    random, cell = np.random.default_rng(number), cell_of(number)
    general, *_ = letters(number, cell, turns, shifts, [])
    positions = {general: (len(turns) // centring, 3)}
    wanted = LETTERS[: LETTERS.index(general) + 1]
    draws: Counter[Kind] = Counter()
    while len(positions) < len(wanted):
        points = [special(random, turns, shifts) for _ in range(60)]
        kinds = {kind(point, turns, shifts): point for point in points}
        rarest = sorted(kinds, key=lambda key: draws[key])[:8]
        chosen = apart([kinds[key] for key in rarest], turns, shifts)
        draws.update(rarest)
        answer = letters(number, cell, turns, shifts, chosen)[len(GENERIC) :]
        for letter, point in zip(answer, chosen, strict=False):
            count, free, _ = kind(point, turns, shifts)
            entry = (count // centring, free)
            if positions.setdefault(letter, entry) != entry:
                sys.exit(f"{number}{letter}: {positions[letter]} and {entry}")
    return " ".join(f"{n}.{free}" for n, free in (positions[key] for key in wanted))


def apart(points: list[Floats], turns: Floats, shifts: Floats) -> list[Floats]:
    """Return points of which none is an image of another."""
    chosen, others = [], [np.array(g) for g in GENERIC]
    for point in points:
        orbit = images(point, turns, shifts)
        far = [orbit - other - np.rint(orbit - other) for other in others]
        if all(np.linalg.norm(f, axis=1).min() > 0.01 for f in far):
            chosen.append(point)
            others.append(point)
    return chosen


if __name__ == "__main__":
    print(HEADER)
    for number in range(1, 231):
        print(f"{number},{table(number)}", flush=True)
