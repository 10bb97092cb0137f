"""Which crystals the ready models of band gaps and formation energies learn."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from pymatgen.core import Structure

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture(autouse=True)
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scripts can be imported."""
    monkeypatch.syspath_prepend(str(SCRIPTS))


def test_gaps_are_learnt_of_the_training_part_and_all_of_small_cells() -> None:
    gaps = importlib.import_module("train_band_gaps")
    cells = [{"species": ["C"] * size} for size in range(1, 31)]
    rows = [
        {"band_gap": float(k % 2), "structure": cells[k * 7 % 30]}
        for k in range(gaps.TASK.num_crystals)
    ]
    parts = gaps.draw(rows)
    training, test = gaps.TASK.folds(np.zeros(len(rows)))[0]
    assert set(parts["train"]) < set(training.tolist())
    assert set(parts["test"]) < set(test.tolist())
    assert (len(parts["test"]), parts["val"]) == (3000, [])
    small = {k for k in training.tolist() if len(rows[k]["structure"]["species"]) <= 10}
    with_gap = {k for k in small if rows[k]["band_gap"]}
    assert with_gap < set(parts["train"])
    metals = (small - with_gap) & set(parts["train"])
    by_chance = 16_000 * len(small - with_gap) / len(training)
    assert len(metals) == pytest.approx(by_chance + 3000, rel=0.05)
    assert parts == gaps.draw(rows)


def test_stable_elements_are_learnt_but_for_those_of_the_test_part() -> None:
    energies = importlib.import_module("train_formation_energies")
    zinc = bulk("Zn", a=2.7, c=5.0)  # not quite as ASE has it
    silicon = bulk("Si", "bcc", a=3.1)  # another form
    tested = [
        {
            "lattice": atoms.cell.tolist(),
            "species": atoms.get_chemical_symbols(),
            "frac_coords": atoms.get_scaled_positions().tolist(),
        }
        for atoms in (zinc, silicon, bulk("NaCl", "rocksalt", a=5.6))
    ]
    rows = {row["id"]: row for row in energies.stable_elements(tested)}
    assert {"stable-Si", "stable-Cu", "stable-As"} < rows.keys()
    assert rows.keys().isdisjoint({"stable-Zn", "stable-C", "stable-Te", "stable-O"})
    assert len(rows) > 50
    assert {row["formation_energy"] for row in rows.values()} == {0.0}
    cell = rows["stable-Si"]["structure"]
    built = Structure(cell["lattice"], cell["species"], cell["frac_coords"])
    assert built.get_distance(0, 1) == pytest.approx(2.35, abs=0.01)
