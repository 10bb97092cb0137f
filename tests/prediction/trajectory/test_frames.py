from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from ase.build import bulk
from ase.io import write
from pymatgen.io.ase import AseAtomsAdaptor

from pyg_sitenet.data.sources import open_source
from pyg_sitenet.errors import DataError
from pyg_sitenet.prediction import frame_statistics, predict_to_file


@pytest.fixture
def trajectory():
    """Rock salt at 25 moments of a breathing motion."""
    frames = []
    for step in range(25):
        atoms = bulk("NaCl", "rocksalt", a=5.64 + 0.1 * np.sin(0.5 * step))
        atoms.rattle(0.02, seed=step)
        frames.append(atoms)
    return frames


def test_frames_of_a_script_are_summarised(small_predictor, trajectory) -> None:
    table = small_predictor.predict(trajectory)
    (row,) = frame_statistics(table, small_predictor.columns).to_dict("records")
    values = table["gap [eV]"]
    assert (row["trajectory"], row["formula"], row["frames"]) == ("", "NaCl", 25)
    assert row["target"] == "gap [eV]"
    assert row["mean"] == pytest.approx(values.mean())
    assert row["std"] == pytest.approx(values.std())
    assert (row["min"], row["max"]) == (values.min(), values.max())
    naive = values.std() / 5
    assert naive * 0.999 <= row["standard error"] < 5 * naive


def test_a_file_of_predictions_gives_what_the_table_gives(
    small_predictor, trajectory, tmp_path
) -> None:
    write(tmp_path / "run.extxyz", trajectory)
    source = open_source([tmp_path / "run.extxyz"])
    predict_to_file(small_predictor, source, tmp_path / "out.csv", workers=1)
    columns = small_predictor.columns
    (row,) = frame_statistics(tmp_path / "out.csv", columns).to_dict("records")
    table = frame_statistics(small_predictor.predict(trajectory), columns)
    assert row["trajectory"] == "run"
    names = ["frames", "mean", "standard error", "std", "min", "max"]
    assert [row[name] for name in names] == pytest.approx(
        table.loc[0, names].tolist(), abs=1e-5
    )


def test_compositions_and_trajectories_are_kept_apart() -> None:
    ids = ["a@0", "a@1", "b@0", "b@1", "a@2", "a@3", "alone", "single@0"]
    formulas = ["NaCl"] * 4 + ["KCl"] * 2 + ["NaCl"] * 2
    table = pd.DataFrame({"id": ids, "formula": formulas, "gap": np.arange(8.0)})
    result = frame_statistics(table, ["gap"])
    assert result[["trajectory", "formula", "frames", "mean"]].values.tolist() == [
        ["a", "NaCl", 2, 0.5],
        ["b", "NaCl", 2, 2.5],
        ["a", "KCl", 2, 4.5],
    ]


def test_rows_of_a_table_are_no_frames(small_predictor, trajectory, tmp_path) -> None:
    """Three crystals of one formula, which a table numbers."""
    cells = [AseAtomsAdaptor.get_structure(atoms).as_dict() for atoms in trajectory[:3]]
    rows = [{"id": k, "structure": cell} for k, cell in enumerate(cells, 1)]
    (tmp_path / "salts.json").write_text(json.dumps(rows))
    output = tmp_path / "out.csv"
    source = open_source([tmp_path / "salts.json"])
    predict_to_file(small_predictor, source, output, workers=1)
    columns = small_predictor.columns
    table = pd.read_csv(output)
    assert table["id"].tolist() == [1, 2, 3]
    assert frame_statistics(output, columns).empty
    assert frame_statistics(table, columns).empty
    texts = pd.read_csv(output, dtype=str)
    assert frame_statistics(texts, columns).empty


def test_selected_frames_of_a_script_are_summarised(
    small_predictor, trajectory
) -> None:
    """The first are often left out: the crystal settles."""
    table, columns = small_predictor.predict(trajectory), small_predictor.columns
    for part in (table.iloc[5:], table[table.index >= 5].reset_index(drop=True)):
        (row,) = frame_statistics(part, columns).to_dict("records")
        assert row["frames"] == 20
    assert frame_statistics(pd.DataFrame(table.to_dict()), columns).empty


def test_frames_without_a_value_are_left_out(small_predictor, trajectory) -> None:
    frames = [*trajectory[:3], bulk("NaCl", "rocksalt", a=0.1)]
    table = small_predictor.predict(frames, on_error="record")
    (row,) = frame_statistics(table, small_predictor.columns).to_dict("records")
    assert row["frames"] == 3


def test_no_trajectory_gives_an_empty_table() -> None:
    table = pd.DataFrame({"id": ["x"], "formula": ["NaCl"], "gap": [1.0]})
    assert frame_statistics(table, ["gap"]).empty


def test_other_tables_are_refused(tmp_path) -> None:
    table = pd.DataFrame({"id": ["x"], "formula": ["NaCl"], "n": [1.0]})
    with pytest.raises(DataError, match=r"the table: no column 'gap' \(available: id,"):
        frame_statistics(table, ["gap"])
    with pytest.raises(DataError, match=r"none\.csv: cannot be read: No such file"):
        frame_statistics(tmp_path / "none.csv", ["gap"])
