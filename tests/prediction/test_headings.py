"""No two columns of a table have one name, whatever the targets are called."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch
from ase.build import bulk

from pyg_sitenet.config import Config, DataConfig, ModelConfig, override
from pyg_sitenet.data.sources import open_source
from pyg_sitenet.errors import ConfigError
from pyg_sitenet.evaluation import evaluate
from pyg_sitenet.model_file import ModelDescription
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.prediction import Predictor, column_name, predict_to_file
from pyg_sitenet.prediction.headings import check_columns
from pyg_sitenet.training.loading import check_config
from pyg_sitenet.uncertainty import Calibration

SMALL = ModelConfig(heads=2, attention_hidden=(8,), pre_pool=(8,), post_pool=(8,))
ODD = ("id", "formula", "warnings", "novelty", "volume", "known id")


@pytest.fixture
def predictor() -> Predictor:
    torch.manual_seed(0)
    description = ModelDescription(
        config=Config(data=DataConfig(max_atoms=8), model=SMALL),
        targets=ODD,
        units={"volume": "A^3"},
        calibration=Calibration(
            scores=dict.fromkeys(ODD, ((1.0, 2.0),)), floors=dict.fromkeys(ODD, 1.0)
        ),
    )
    return Predictor(SiteNet(SMALL, num_targets=len(ODD)), description, level=0.5)


def test_targets_called_as_other_columns_are_marked_in_all_tables(
    predictor: Predictor, tmp_path: Path
) -> None:
    bulk("Si").write(tmp_path / "Si.cif")
    source = tmp_path / "values.csv"
    source.write_text("file,formula,warnings,novelty\nSi.cif,1,2,3\n")
    predict_to_file(predictor, open_source(tmp_path / "Si.cif"), tmp_path / "p.csv")
    names = ("formula", "warnings", "novelty")
    evaluate(predictor, open_source(source, names), tmp_path / "e.csv")
    for file in ("p.csv", "e.csv"):
        with (tmp_path / file).open(newline="") as lines:
            headings, row = csv.reader(lines)
        assert len(set(headings)) == len(headings)
        cells = dict(zip(headings, row, strict=True))
        assert (cells["id"], cells["formula"]) == ("Si", "Si")
        assert float(cells["formula (target)"])
        assert float(cells["volume (target) [A^3]"])
    table = predictor.predict([bulk("Si")])
    assert table["formula"].tolist() == ["Si"]
    assert {column_name(name, predictor.units) for name in ODD} <= set(table.columns)


def test_volume_in_cubic_angstrom_is_not_that_of_the_cell() -> None:
    assert column_name("volume", {"volume": "A^3"}) == "volume (target) [A^3]"
    assert column_name("volume", {}) == "volume"


@pytest.mark.parametrize(
    ("targets", "classes"),
    [
        (("gap", "gap lower"), {}),
        (("known gap", "gap"), {}),
        (("novelty", "novelty (target)"), {}),
        (("kind", "kind p(metal)"), {"kind": ("metal", "insulator")}),
    ],
)
def test_target_called_as_a_column_of_another_is_refused_before_training(
    targets: tuple[str, ...], classes: dict[str, tuple[str, ...]]
) -> None:
    data = DataConfig(targets=targets, classes=classes)
    config = override(Config(), []).model_copy(update={"data": data})
    with pytest.raises(ConfigError, match="has the name of a column that tables of"):
        check_config(config)


def test_ordinary_names_of_targets_go_together(predictor: Predictor) -> None:
    names = ("gap", "lower gap", "gap (PBE)", "predicted energy", "energy min")
    data = DataConfig(targets=names)
    check_config(Config(data=data))
    check_columns(predictor.description.layout.targets[:5])
