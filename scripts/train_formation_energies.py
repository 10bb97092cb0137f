"""Train a network of the ready model of formation energies, and test it.

It learns four fifths of the bundled crystals and the most stable forms of elements, but
for those among the other fifth, which tests it. Their formation energy is zero by
definition, yet the data hold few of them, of silicon only forms of high energy::

    python scripts/train_formation_energies.py runs/energy-0 --seed 0
    python scripts/train_formation_energies.py runs/energy-1 --seed 1
    python scripts/make_ready_models.py formation-energy runs/energy-0 runs/energy-1 \
        --note "3,150 crystals drawn at random and the most stable forms of ..."
    python scripts/renew_novelty.py formation-energy --run runs/energy-0 --note "..."

The crystals are kept beside the run folder; the same command continues a training that
was stopped.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ase.build import bulk
from ase.data import chemical_symbols, reference_states
from make_bundled_data import OUTPUT, write_rows
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor

from pyg_sitenet.config import load_preset, override
from pyg_sitenet.data.batches.splits import make_splits
from pyg_sitenet.data.readers.tables.table import read_table
from pyg_sitenet.data.structure.text import TextFile
from pyg_sitenet.training import train

BUNDLED = OUTPUT / "formation_energy" / "formation_energy.jsonl.gz"
SETTINGS = (
    "data.targets=[formation_energy]",
    "data.val_fraction=0",
    "data.split_seed=6",
)
STRUCTURES = {"fcc", "bcc", "hcp", "diamond", "rhombohedral"}
# Graphite is more stable than diamond, these metals are double hexagonal, the others
# chains: none is what ASE has for it.
OTHERWISE = {"C", "La", "Pr", "Nd", "Se", "Te"}
Cell = Mapping[str, Any]


def main() -> None:
    """Train into the folder named on the command line."""
    args = parse_arguments()
    table = read_table(TextFile(str(BUNDLED), lambda: BUNDLED.open("rb")))
    rows = [dict(row.values) for row in table.rows()]
    crystals = args.output.with_name(f"{args.output.name}.jsonl.gz")
    config = override(
        load_preset("default"),
        [*SETTINGS, f"data.source={crystals}", f"training.seed={args.seed}"],
    )
    parts = make_splits(config.data, [""] * len(rows))
    elements = list(stable_elements([rows[k]["structure"] for k in parts["test"]]))
    write_rows(iter([*rows, *elements]), crystals)
    splits = {part: [rows[k]["id"] for k in own] for part, own in parts.items()}
    splits["train"] += [row["id"] for row in elements]
    is_begun = (args.output / "config.yaml").is_file()
    train(config, args.output, splits=splits, progress=True, resume=is_begun)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("output", type=Path, help="run folder")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def stable_elements(tested: Sequence[Cell]) -> Iterator[dict[str, Any]]:
    """Yield a row for each element whose most stable form is none of these crystals."""
    matcher = StructureMatcher()
    known = [
        Structure(cell["lattice"], cell["species"], cell["frac_coords"])
        for cell in tested
        if len(set(cell["species"])) == 1
    ]
    for symbol, reference in zip(chemical_symbols, reference_states, strict=False):
        if symbol in OTHERWISE or (reference or {}).get("symmetry") not in STRUCTURES:
            continue
        structure = AseAtomsAdaptor.get_structure(bulk(symbol))
        if not any(matcher.fit(structure, other) for other in known):
            cell = {
                "lattice": structure.lattice.matrix.round(6).tolist(),
                "species": [symbol] * len(structure),
                "frac_coords": structure.frac_coords.round(6).tolist(),
            }
            yield {"id": f"stable-{symbol}", "formation_energy": 0.0, "structure": cell}


if __name__ == "__main__":
    main()
