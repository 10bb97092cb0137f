from __future__ import annotations

import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from ase.build import bulk
from pymatgen.core import Structure

from pyg_sitenet.config import Config, DataConfig, ModelConfig
from pyg_sitenet.data.records import Failure, Record
from pyg_sitenet.data.sources import open_source
from pyg_sitenet.errors import DataError
from pyg_sitenet.evaluation import evaluate, score
from pyg_sitenet.model_file import ModelDescription
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.prediction import Predictor

CONFIG = Config(
    data=DataConfig(max_atoms=8),
    model=ModelConfig(attention_hidden=(8,), post_pool=(8,)),
)


@pytest.fixture
def predictor() -> Predictor:
    torch.manual_seed(0)
    description = ModelDescription(
        config=CONFIG, targets=("band_gap",), units={"band_gap": "eV"}
    )
    return Predictor(SiteNet(CONFIG.model), description)


def _record(name: str, **targets: float) -> Record:
    return Record(name, Structure.from_ase_atoms(bulk(name)), targets, name)


def test_score_of_known_errors() -> None:
    result = score([0.0, 2.0, 4.0], [0.0, 3.0, 2.0])
    assert result["mae"] == pytest.approx(1.0)
    assert result["rmse"] == pytest.approx((5 / 3) ** 0.5)
    assert result["r2"] == pytest.approx(1 - 5 / 8)


def test_score_of_nothing_is_none() -> None:
    assert score([], []) == {"mae": None, "rmse": None, "r2": None}
    assert score([1.0], [2.0])["r2"] is None


def test_errors_are_those_of_the_predictions(
    predictor: Predictor, tmp_path: Path
) -> None:
    names = ["Si", "Cu", "Al"]
    predicted = predictor.predict([bulk(name) for name in names])["band_gap [eV]"]
    errors = [0.5, -0.25, 0.0]
    records = [
        _record(name, band_gap=float(value) - error)
        for name, value, error in zip(names, predicted, errors, strict=True)
    ]
    result = evaluate(predictor, records, tmp_path / "rows.csv")
    assert result.metrics["band_gap"]["mae"] == pytest.approx(0.25, abs=1e-5)
    assert result.metrics["band_gap"]["unit"] == "eV"
    lines = (tmp_path / "rows.csv").read_text().splitlines()
    assert lines[0] == "id,formula,band_gap [eV],known band_gap [eV]"
    assert [line.split(",")[0] for line in lines[1:]] == names


def test_known_values_are_converted_to_the_unit_of_the_model(
    predictor: Predictor, tmp_path: Path
) -> None:
    (value,) = predictor.predict([bulk("Si")])["band_gap [eV]"]
    Structure.from_ase_atoms(bulk("Si")).to(filename=str(tmp_path / "Si.cif"))
    table = tmp_path / "table.csv"
    table.write_text(f"file,band_gap [meV]\nSi.cif,{1000 * value + 250}\n")
    result = evaluate(predictor, str(table)).metrics["band_gap"]
    assert (result["mae"], result["unit"]) == (pytest.approx(0.25, abs=1e-5), "eV")
    message = r"'band_gap' is in 'meV', the model's in 'eV'; open the source with units"
    with pytest.raises(DataError, match=message):
        evaluate(predictor, open_source(table, ["band_gap"]))
    table.write_text("file,band_gap [GPa]\nSi.cif,1\n")
    with pytest.raises(
        DataError, match="in 'GPa', asked for in 'eV', and no conversion"
    ):
        evaluate(predictor, str(table))


def test_crystals_without_a_value_are_failures(
    predictor: Predictor, tmp_path: Path
) -> None:
    refused = Failure("a.cif", "a", "read", "empty", "repair it")
    records = [refused, _record("Si", band_gap=1.0), _record("Cu")]
    result = evaluate(predictor, records, tmp_path / "rows.csv")
    assert (result.ledger.used, result.ledger.failed) == (1, 2)
    failures = (tmp_path / "rows_failures.csv").read_text().splitlines()
    assert failures[1] == "a.cif,a,read,empty,repair it"
    assert failures[2].startswith("Cu,Cu,target,no value of band_gap,")


def test_crystals_are_let_go_as_they_are_evaluated(predictor: Predictor) -> None:
    alive: list[weakref.ref[Structure]] = []

    def records() -> Iterator[Record]:
        for _ in range(20):
            record = _record("Si", band_gap=1.0)
            alive.append(weakref.ref(record.structure))
            yield record
            del record
            assert sum(item() is not None for item in alive) < 5

    assert evaluate(predictor, records()).ledger.used == 20


def test_nothing_to_evaluate_names_the_first_reason(predictor: Predictor) -> None:
    with pytest.raises(
        DataError,
        match=r"records: no crystal can be evaluated; 1 of 1 fail.*: no value of",
    ):
        evaluate(predictor, [_record("Cu")])
    with pytest.raises(DataError, match=r"no crystal can be evaluated$"):
        evaluate(predictor, [])


def test_crystals_whose_value_is_not_known_do_not_count():
    scores = score([1.0, 3.0], [1.0, 2.0])
    assert score([1.0, float("nan"), 3.0], [1.0, 9.0, 2.0]) == scores
    assert score([float("nan")], [1.0])["mae"] is None
