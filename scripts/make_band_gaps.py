"""Make the bundled band gaps from the file of the task matbench_mp_gap.

A random part of its small crystals: at most 10 sites and 3 elements, 3,500 with a gap
and 500 metals. Left out are the test part of the official fold 0, so that a network
trained on the bundled data may be tested there, and whatever has the composition of a
crystal in examples/structures, so that those are predicted and not remembered::

    python scripts/make_band_gaps.py matbench_mp_gap.json.gz

takes the official file, or JSON lines with structure (lattice, species, frac_coords)
and target in its order. The same file always gives the same bytes.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np
from make_bundled_data import OUTPUT, write_rows

from pyg_sitenet.data.readers.named.matbench_tasks import find_task
from pyg_sitenet.data.readers.tables.table import read_table
from pyg_sitenet.data.structure.text import TextFile

TASK = find_task("matbench_mp_gap")
MAX_SITES, MAX_ELEMENTS = 10, 3
NUM_WITH_GAP, NUM_METALS = 3500, 500
SEED = 0
EXAMPLES = ("Si", "Ga As", "Zn O", "Mg O", "Na Cl", "Si O O", "Ti O O", "Sr Ti O O O")
Composition = frozenset[tuple[str, int]]


def main() -> None:
    """Read the file named on the command line and write the data file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path, help="matbench_mp_gap.json.gz")
    parser.add_argument("--output", type=Path, default=OUTPUT, metavar="DIR")
    arguments = parser.parse_args()
    rows = list(small_crystals(arguments.file))
    write_rows(draw(rows), arguments.output / "band_gaps" / "band_gaps.jsonl.gz")


def all_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield id, gap and structure of each crystal, in the official order."""
    table = read_table(TextFile(str(path), lambda: path.open("rb")))
    column = TASK.target if TASK.target in table.columns else "target"
    for position, row in enumerate(table.rows()):
        yield {
            "id": TASK.id_of_row(position),
            "band_gap": float(row.values[column]),
            "structure": plain_structure(row.values["structure"]),
        }


def small_crystals(path: Path) -> Iterator[dict[str, Any]]:
    """Yield what the rule allows, in the official order."""
    _, test = TASK.folds(np.zeros(TASK.num_crystals))[0]
    tested = {TASK.id_of_row(position) for position in test}
    examples = {composition(formula.split()) for formula in EXAMPLES}
    for row in all_rows(path):
        species, gap = row["structure"]["species"], row["band_gap"]
        is_small = len(species) <= MAX_SITES and len(set(species)) <= MAX_ELEMENTS
        is_example = composition(species) in examples
        if is_small and not is_example and row["id"] not in tested:
            yield {
                "id": row["id"],
                "band_gap": gap,
                "is_metal": gap == 0,
                "structure": row["structure"],
            }


def draw(rows: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield a random part of the rows, in their order."""
    random = np.random.default_rng(SEED)
    chosen: list[int] = []
    for is_metal, count in ((False, NUM_WITH_GAP), (True, NUM_METALS)):
        places = [k for k, row in enumerate(rows) if row["is_metal"] == is_metal]
        chosen += random.permutation(places)[:count].tolist()
    for place in sorted(chosen):
        yield rows[place]


def composition(species: Sequence[str]) -> Composition:
    """Return the reduced composition."""
    counts = Counter(species)
    divisor = gcd(*counts.values())
    return frozenset((symbol, n // divisor) for symbol, n in counts.items())


def plain_structure(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return lattice, species and positions, rounded to 1e-6."""
    if "sites" in document:  # pymatgen's dictionary
        sites = document["sites"]
        lattice = document["lattice"]["matrix"]
        species = [site["species"][0]["element"] for site in sites]
        positions = [site["abc"] for site in sites]
    else:
        lattice, species = document["lattice"], document["species"]
        positions = document["frac_coords"]
    return {
        "lattice": rounded(lattice),
        "species": list(species),
        "frac_coords": rounded(positions),
    }


def rounded(vectors: Sequence[Sequence[float]]) -> list[list[float]]:
    """Round to 1e-6."""
    return [[round(float(value), 6) for value in vector] for vector in vectors]


if __name__ == "__main__":
    main()
