"""Time to pair the sites of bundled crystals with all atoms within a sphere.

Beside vesin's list alone and, if it is installed, matscipy's; ours is sorted, holds the
pair of each site with itself and has its distances to the last digit.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
from machine import describe_machine
from vesin import NeighborList

from pyg_sitenet.data.geometry.lattice import Floats
from pyg_sitenet.data.geometry.neighbours import neighbour_pairs
from pyg_sitenet.data.geometry.primitive import to_primitive
from pyg_sitenet.data.geometry.sphere import sphere_radius
from pyg_sitenet.data.sources import open_source

Search = Callable[[Floats, Floats, float], object]


def vesin(frac: Floats, cell: Floats, radius: float) -> object:
    """Return the list of vesin, in no order."""
    search = NeighborList(cutoff=radius, full_list=True, n_threads=1)
    return search.compute(frac @ cell, cell, True, "ijSd")


def matscipy(frac: Floats, cell: Floats, radius: float) -> object:
    """Return the list of matscipy."""
    from matscipy.neighbours import neighbour_list

    periodic = [True, True, True]
    return neighbour_list(
        "ijSd", cutoff=radius, positions=frac @ cell, cell=cell, pbc=periodic
    )


def main() -> None:
    """Print milliseconds per crystal and their ratio to ours."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--crystals", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    searches: dict[str, Search] = {"ours": neighbour_pairs, "vesin": vesin}
    if find_spec("matscipy"):
        searches["matscipy"] = matscipy
    crystals = []
    for record, _ in zip(
        open_source("dielectric", ("band_gap",)), range(options.crystals), strict=False
    ):
        primitive = to_primitive(record.structure)
        cell = np.array(primitive.lattice.matrix)
        crystals.append((np.array(primitive.frac_coords), cell))
    print(describe_machine())
    print("atoms  " + "".join(f"{name:>22}" for name in searches))
    for atoms in (50, 100, 500, 2000):
        line, ours = f"{atoms:5}  ", 0.0
        for search in searches.values():
            best = min(
                _seconds(search, crystals, atoms) for _ in range(options.repeats)
            )
            ours = ours or best
            milliseconds = 1e3 * best / len(crystals)
            line += f"{milliseconds:13.3f} ms {best / ours:5.2f}x"
        print(line)


def _seconds(
    search: Search, crystals: list[tuple[Floats, Floats]], atoms: int
) -> float:
    start = time.process_time()
    for frac, cell in crystals:
        search(frac, cell, sphere_radius(cell, len(frac), atoms))
    return time.process_time() - start


if __name__ == "__main__":
    main()
