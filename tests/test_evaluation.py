from __future__ import annotations

import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from ase.build import bulk
from pymatgen.core import Structure

from pyg_sitenet.config import Config, DataConfig, ModelConfig, override
from pyg_sitenet.data.records import Failure, Record
from pyg_sitenet.data.sources import open_source
from pyg_sitenet.errors import DataError
from pyg_sitenet.evaluation import evaluate, score
from pyg_sitenet.model_file import ModelDescription, save_model
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.prediction import Predictor
from pyg_sitenet.uncertainty import Calibration

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


@pytest.fixture
def several() -> Predictor:
    torch.manual_seed(0)
    data = CONFIG.data.model_copy(
        update={
            "targets": ("gap", "kind", "n"),
            "classes": {"kind": ("metal", "insulator")},
        }
    )
    config = CONFIG.model_copy(update={"data": data})
    names = ("gap", "kind", "n")
    description = ModelDescription(
        config=config,
        targets=names,
        calibration=Calibration(
            scores=dict.fromkeys(names, ((0.5, 2.0),)), floors=dict.fromkeys(names, 1.0)
        ),
    )
    return Predictor(SiteNet(config.model, layout=description.layout), description)


@pytest.mark.parametrize(
    ("heading", "values", "present"),
    [
        ("file,gap", "1.5 2.5", {"gap"}),
        ("file,gap (PBE),n", "1.5, 2.5,", {"gap"}),  # no value of n in any row
        ("file,kind", "metal insulator", {"kind"}),
        ("file,n,kind", "2,metal 3,insulator", {"n", "kind"}),
    ],
)
def test_targets_that_are_there_are_evaluated_and_others_named(
    several: Predictor,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    heading: str,
    values: str,
    present: set[str],
) -> None:
    for name in ("Si", "Cu"):
        bulk(name).write(tmp_path / f"{name}.cif")
    table = tmp_path / "table.csv"
    first, second = values.split()
    table.write_text(f"{heading}\nSi.cif,{first}\nCu.cif,{second}\n")
    result = evaluate(several, table, tmp_path / "rows.csv")
    names = several.description.targets
    keys = {name: "accuracy" if name == "kind" else "mae" for name in names}
    scores = {name: result.metrics[name][key] for name, key in keys.items()}
    assert {name for name, value in scores.items() if value is not None} == present
    assert all(path.is_file() for path in result.figures.values())
    missing = ", ".join(name for name in names if name not in present)
    assert f"table.csv: no values of {missing}, so that nothing is said" in caplog.text


def test_table_without_any_target_is_refused(
    several: Predictor, tmp_path: Path
) -> None:
    bulk("Si").write(tmp_path / "Si.cif")
    table = tmp_path / "table.csv"
    table.write_text("file,energy\nSi.cif,1\n")
    message = (
        r"no target 'kind' \(available: energy\); columns with the known values are to"
        " have the names that the model has for them, gap, kind, n"
    )
    with pytest.raises(DataError, match=message):
        evaluate(several, table)
    table.write_text("file,gap,n\nSi.cif,wide,1\n")  # not as if it were not there
    with pytest.raises(DataError, match="the column 'gap' holds no numbers but 'wide'"):
        evaluate(several, table)


def test_cells_that_are_read_otherwise_are_told(
    several: Predictor, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bulk("Si").write(tmp_path / "Si.cif")
    table = tmp_path / "table.csv"
    label = several.description.classes["kind"][0]
    table.write_text(f'file,kind,n\nSi.cif,{label.upper()},"3,4"\n')
    evaluate(several, table)
    assert f"kind: {label.upper()!r} taken as {label!r}" in caplog.text
    assert "n: numbers are written like '3,4', which is read as 3.4" in caplog.text


def test_figures_of_another_model_go_with_its_rows(
    several: Predictor, predictor: Predictor, tmp_path: Path
) -> None:
    bulk("Si").write(tmp_path / "Si.cif")
    table, output = tmp_path / "table.csv", tmp_path / "rows.csv"
    table.write_text("file,gap,band_gap\nSi.cif,1,1\n")
    other = tmp_path / "rows_classes.png"
    other.write_text("mine")
    evaluate(predictor, table, output)
    assert other.read_text() == "mine"  # there were no rows to replace
    figures = evaluate(several, table, output).figures
    assert set(figures) == {"parity", "classes", "calibration"}
    evaluate(predictor, table, output)
    left = {path.name for path in tmp_path.glob("rows_*.png")}
    assert left == {"rows_parity.png"}


def test_crystals_that_the_model_was_trained_on_are_told(
    predictor: Predictor, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = ["a,train,1.17", "b,val,0.7", "c,test,0.0", "d,train,2.0"]
    (tmp_path / "crystals.csv").write_text("\n".join(["id,part,band_gap", *rows]))
    records = [
        Record(id_, Structure.from_ase_atoms(bulk("Si")), {"band_gap": value}, id_)
        for id_, value in (("a", 1.17), ("b", 0.7), ("c", 0.0), ("d", 1.0), ("e", 1.17))
    ]
    (tmp_path / "model.safetensors").touch()
    evaluate(predictor, [*records[:3], records[4]], run=tmp_path)
    assert "was trained on 2 of these 4 crystals" in caplog.text
    caplog.clear()
    evaluate(predictor, records, run=tmp_path)  # one of three has its id by chance
    evaluate(predictor, records[2:], run=tmp_path / "model.safetensors")
    assert not caplog.text


def test_files_listed_from_another_folder_are_told(
    predictor: Predictor, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = ["x/a,train,1.17", "x/b,train,0.7", "y/b,train,0.9"]
    (tmp_path / "crystals.csv").write_text("\n".join(["id,part,band_gap", *rows]))
    (tmp_path / "model.safetensors").touch()
    silicon = Structure.from_ase_atoms(bulk("Si"))
    evaluate(predictor, [Record("a", silicon, {"band_gap": 1.17}, "a")], run=tmp_path)
    assert "was trained on 1 of these 1 crystals" in caplog.text
    caplog.clear()
    others = [("a", 1.17), ("z/a", 0.3)]  # the second is another file of this name
    crystals = [Record(k, silicon, {"band_gap": gap}, k) for k, gap in others]
    evaluate(predictor, crystals, run=tmp_path)
    assert "was trained on 1 of these 2 crystals" in caplog.text
    caplog.clear()  # there are two of this name
    evaluate(predictor, [Record("b", silicon, {"band_gap": 0.9}, "b")], run=tmp_path)
    assert not caplog.text


def test_what_was_learnt_before_counts_and_what_is_not_on_record_is_told(
    predictor: Predictor, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    silicon = Structure.from_ase_atoms(bulk("Si"))
    records = [Record("a", silicon, {"band_gap": 1.17}, "a")]
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, row in ((first, "a,train,1.17"), (second, "b,train,0.7")):
        folder.mkdir()
        (folder / "crystals.csv").write_text(f"id,part,band_gap\n{row}\n")
        config = override(
            predictor.description.config,
            [f"training.initial_model={first}"] if folder == second else [],
        )
        description = predictor.description.model_copy(update={"config": config})
        save_model(folder / "model.safetensors", predictor.model, description)
    evaluate(predictor, records, run=second)
    assert "was trained on 1 of these 1 crystals" in caplog.text
    caplog.clear()
    (first / "crystals.csv").unlink()
    evaluate(predictor, records, run=second)
    assert "which crystals the model has learnt is not on record" in caplog.text
