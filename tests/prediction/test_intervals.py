"""Intervals and the spread of an ensemble, from the predictor to the file."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.build import bulk
from pymatgen.core import Composition, Lattice, Structure

from pyg_sitenet.config import Config, DataConfig, ModelConfig
from pyg_sitenet.data.records import Record
from pyg_sitenet.data.sources import open_source
from pyg_sitenet.errors import ConfigError, DataError
from pyg_sitenet.evaluation import Scores, evaluate
from pyg_sitenet.model_file import ModelDescription, save_model
from pyg_sitenet.nn import SiteNet, SiteNetEnsemble
from pyg_sitenet.prediction import Predictor, load_predictor, predict_to_file
from pyg_sitenet.uncertainty import Calibration

SMALL = ModelConfig(heads=2, attention_hidden=(8,), pre_pool=(8,), post_pool=(8,))
# Twenty scores: 19 of 21 is the smallest share above 0.9.
SCORES = tuple(np.arange(1, 21) / 10)


def _network(seed: int) -> SiteNet:
    torch.manual_seed(seed)
    return SiteNet(SMALL, num_targets=1)


def _description(**changes: object) -> ModelDescription:
    values: dict[str, object] = {
        "config": Config(data=DataConfig(max_atoms=8), model=SMALL),
        "targets": ("gap",),
        "units": {"gap": "eV"},
        "calibration": Calibration(scores={"gap": SCORES}, floors={"gap": 1.0}),
    }
    return ModelDescription.model_validate(values | changes)


@pytest.fixture
def ensemble() -> Predictor:
    calibration = Calibration(scores={"gap": SCORES}, floors={"gap": 0.5})
    model = SiteNetEnsemble([_network(seed) for seed in range(3)])
    return Predictor(model, _description(members=3, calibration=calibration), level=0.9)


def test_interval_of_a_network_reaches_the_conformal_score_to_each_side() -> None:
    predictor = Predictor(_network(0), _description(), level=0.9)
    [row] = predictor.predict([bulk("Si")]).to_dict("records")
    assert row["gap upper [eV]"] - row["gap [eV]"] == pytest.approx(1.9)
    assert row["gap [eV]"] - row["gap lower [eV]"] == pytest.approx(1.9)
    assert "gap members std [eV]" not in row


def test_interval_of_an_ensemble_grows_with_the_spread_of_its_members(
    ensemble: Predictor,
) -> None:
    table = ensemble.predict([bulk("Si"), bulk("NaCl", "rocksalt", a=5.64)])
    members = [Predictor(member, _description()) for member in ensemble.model.members]
    alone = np.array(
        [
            member.predict([bulk("Si"), bulk("NaCl", "rocksalt", a=5.64)])["gap [eV]"]
            for member in members
        ]
    )
    np.testing.assert_allclose(table["gap [eV]"], alone.mean(0), rtol=1e-5)
    spread = table["gap members std [eV]"]
    np.testing.assert_allclose(spread, alone.std(0, ddof=1), rtol=1e-4)
    half = (table["gap upper [eV]"] - table["gap lower [eV]"]) / 2
    np.testing.assert_allclose(half, 1.9 * (spread + 0.5), rtol=1e-4)


def test_without_a_level_an_ensemble_tells_its_spread_alone(
    ensemble: Predictor,
) -> None:
    predictor = Predictor(ensemble.model, ensemble.description)
    columns = list(predictor.predict([bulk("Si")]).columns)
    assert columns == ["id", "formula", "gap [eV]", "gap members std [eV]"]


def test_interval_of_what_is_never_negative_ends_at_zero() -> None:
    config = SMALL.model_copy(update={"output": "clamp"})
    settings = Config(data=DataConfig(max_atoms=8), model=config)
    model = SiteNet(config, num_targets=1)
    predictor = Predictor(model, _description(config=settings), level=0.9)
    [row] = predictor.predict([bulk("Si")]).to_dict("records")
    assert row["gap [eV]"] < 1.9
    assert row["gap lower [eV]"] == 0.0


def test_disordered_crystal_has_interval_and_spread_of_members(
    ensemble: Predictor,
) -> None:
    data = ensemble.data.model_copy(update={"disorder": "sample", "orderings": 2})
    predictor = Predictor(
        ensemble.model, ensemble.description, data=data, level=ensemble.level
    )
    mixed = Structure(
        Lattice.cubic(4.2),
        [Composition("Na0.5K0.5"), Composition("Cl")],
        [[0, 0, 0], [0.5, 0.5, 0.5]],
    )
    [row] = predictor.predict([mixed]).to_dict("records")
    half = row["gap upper [eV]"] - row["gap [eV]"]
    assert half == pytest.approx(1.9 * (row["gap members std [eV]"] + 0.5), rel=1e-4)
    assert row["gap members std [eV]"] > 0


def test_model_without_calibration_names_the_setting() -> None:
    with pytest.raises(ConfigError, match=r"train it with data\.calibration_fraction"):
        Predictor(_network(0), _description(calibration=None), level=0.9)


def test_level_that_the_calibration_cannot_carry_is_named_at_once() -> None:
    with pytest.raises(ConfigError, match=r"gap: the level 0\.99 needs 99 .* has 20"):
        Predictor(_network(0), _description(), level=0.99)


def test_file_has_the_interval_and_is_not_continued_at_another_level(
    tmp_path: Path,
) -> None:
    model, source = tmp_path / "m.safetensors", tmp_path / "si.cif"
    save_model(model, _network(0), _description())
    Structure.from_ase_atoms(bulk("Si")).to(str(source))
    output = tmp_path / "out.csv"
    predict_to_file(load_predictor(model, level=0.9), open_source(source), output)
    with output.open() as file:
        [row] = csv.DictReader(file)
    assert float(row["gap upper [eV]"]) == pytest.approx(
        float(row["gap [eV]"]) + 1.9, abs=1e-5
    )
    other = load_predictor(model, level=0.8)
    with pytest.raises(DataError, match="level"):
        predict_to_file(other, open_source(source), output, resume=True)


def test_evaluation_measures_coverage_and_draws_it(tmp_path: Path) -> None:
    predictor = Predictor(_network(0), _description())
    names = ("Si", "Cu", "Al", "Ge")
    values = predictor.predict([bulk(name) for name in names])["gap [eV]"]
    rows = tmp_path / "known.csv"
    for name in names:
        Structure.from_ase_atoms(bulk(name)).to(str(tmp_path / f"{name}.cif"))
    # Half of a level of 0.5 (score 1.1) inside: errors of 1 and of 1.5.
    errors = (1.0, -1.0, 1.5, -1.5)
    lines = [f"{n}.cif,{v + e}" for n, v, e in zip(names, values, errors, strict=True)]
    rows.write_text("file,gap\n" + "\n".join(lines) + "\n")
    result = evaluate(predictor, rows, tmp_path / "out.csv")
    at = {item["level"]: item for item in result.metrics["gap"]["coverage"]}
    assert at[0.5]["coverage"] == 0.5
    assert at[0.9] == {"level": 0.9, "coverage": 1.0, "mean_width": 3.8}
    assert result.figures["calibration"] == tmp_path / "out_calibration.png"
    assert result.figures["calibration"].stat().st_size > 5_000
    assert evaluate(predictor, rows).figures == {}


def test_crystals_count_for_the_targets_they_have() -> None:
    predictor = Predictor(_network(0), _description())
    scores = Scores(predictor.description.layout)
    for truth in (1.0, math.nan, 2.0):
        silicon = Structure.from_ase_atoms(bulk("Si"))
        record = Record("Si", silicon, {"gap": truth}, "Si.cif")
        scores.add(*predictor.predict_records([record]))
    assert scores.num_known() == {"gap": 2}
