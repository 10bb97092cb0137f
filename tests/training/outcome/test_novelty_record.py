"""A run keeps what tells how unlike its training data a crystal is."""

from __future__ import annotations

from pathlib import Path

from ase.build import bulk
from pymatgen.core import Structure

from pyg_sitenet.config import Config, override
from pyg_sitenet.data.records import Record
from pyg_sitenet.model_file import read_description
from pyg_sitenet.prediction import Prediction, load_predictor
from pyg_sitenet.training import RunResult, train


def test_run_of_enough_held_out_crystals_tells_novelty(
    config: Config, cache: Path, tmp_path: Path
) -> None:
    parts = ["data.test_fraction=0.6", "data.val_fraction=0.6"]
    few = override(config, [*parts, "training.max_epochs=1"])
    run = train(few, tmp_path / "run", cache=cache)
    novelty = read_description(run.folder).novelty
    assert novelty is not None
    assert novelty.num_crystals == 4
    assert len(novelty.held_out) == 20
    assert novelty.reach >= 1
    silicon = Record("Si", Structure.from_ase_atoms(bulk("Si")))
    (prediction,) = load_predictor(run.folder).predict_records([silicon])
    assert isinstance(prediction, Prediction)
    assert prediction.novelty == 0
    assert "no training crystal of a single element" in "; ".join(prediction.warnings)


def test_run_of_few_held_out_crystals_keeps_none(run: RunResult) -> None:
    assert read_description(run.folder).novelty is None
