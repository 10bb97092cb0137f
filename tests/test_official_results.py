"""The predictions that are kept of official folds are those that the page speaks of."""

from __future__ import annotations

import csv
import gzip
import importlib
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from pyg_sitenet.config import load_preset
from pyg_sitenet.data.readers.named.matbench_tasks import find_task

ROOT = Path(__file__).parents[1]
KEPT = sorted((ROOT / "benchmarks" / "results").glob("*/*.json"))
# Where the data are, and what a benchmark sets itself.
FREE = {"source", "targets", "units", "val_fraction", "workers"}


def test_there_are_some() -> None:
    assert KEPT


@pytest.mark.parametrize("notes", KEPT, ids=lambda path: path.parent.name)
def test_settings_are_those_of_the_preset_but_for_what_the_page_names(
    notes: Path,
) -> None:
    settings = json.loads(notes.read_text(encoding="utf-8"))["settings"]
    preset = load_preset("default").model_dump(mode="json")
    page = (ROOT / "docs" / "accuracy.md").read_text(encoding="utf-8")
    for section, values in settings.items():
        for name, value in values.items():
            is_preset = preset[section].get(name) == value or name in FREE
            assert is_preset or f"`{section}.{name}`" in page, (section, name)


@pytest.mark.parametrize("notes", KEPT, ids=lambda path: path.parent.name)
def test_every_crystal_of_a_fold_has_one_prediction(notes: Path) -> None:
    task = find_task(notes.parent.name)
    folds = task.folds(np.zeros(task.num_crystals))
    with gzip.open(notes.with_suffix(".csv.gz"), "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for number, count in Counter(row["fold"] for row in rows).items():
        ids = {row["id"] for row in rows if row["fold"] == number}
        assert len(ids) == count
        assert ids == {task.id_of_row(row) for row in folds[int(number)][1]}


def write_run(folder: Path, seed: int, predictions: dict[int, list[float]]) -> Path:
    """Write what `sitenet benchmark` leaves of its folds, with predictions of two."""
    for number, values in predictions.items():
        fold = folder / f"fold_{number}"
        fold.mkdir(parents=True)
        settings = load_preset("default").model_dump(mode="json")
        settings["training"]["seed"] = seed
        crystals = dict(zip(("mb-jdft2d-001", "mb-jdft2d-002"), values, strict=True))
        facts = {"fold": number, "predictions": crystals, "seconds": 60.0}
        facts["parameters"] = settings
        (fold / "benchmark.json").write_text(json.dumps(facts))
        (fold / "metrics.json").write_text('{"num_parameters": 9, "epochs": 80}')
    (folder / "results.json").write_text('{"task": "matbench_jdft2d"}')
    return folder


def test_runs_of_several_seeds_are_kept_as_their_mean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    accuracy = importlib.import_module("accuracy")
    monkeypatch.setattr(accuracy, "RESULTS", tmp_path / "results")
    runs = [
        write_run(tmp_path / "a", 0, {0: [1.0, 2.0], 1: [5.0, 6.0]}),
        write_run(tmp_path / "b", 1, {0: [2.0, 4.0]}),
    ]
    accuracy.keep(runs, "ensemble", "")
    file = tmp_path / "results" / "matbench_jdft2d" / "ensemble.csv.gz"
    with gzip.open(file, "rt", encoding="utf-8") as text:
        rows = [tuple(row.values()) for row in csv.DictReader(text)]
    # Of the fold that both have.
    assert rows == [("0", "mb-jdft2d-001", "1.5"), ("0", "mb-jdft2d-002", "3")]
    notes = json.loads((file.parent / "ensemble.json").read_text(encoding="utf-8"))
    assert (notes["members"], notes["seconds"]) == (2, [120])
    with pytest.raises(
        SystemExit, match="or by folds; seed 0 is there twice for fold 0"
    ):
        accuracy.keep([runs[0], runs[0]], "ensemble", "")


def test_folds_and_members_are_added_to_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    accuracy = importlib.import_module("accuracy")
    monkeypatch.setattr(accuracy, "RESULTS", tmp_path / "results")
    kept = tmp_path / "results" / "matbench_jdft2d" / "single.csv.gz"
    accuracy.keep([write_run(tmp_path / "a", 0, {0: [1.0, 2.0]})], "single", "busy")
    other = write_run(tmp_path / "b", 0, {1: [5.0, 6.0]})
    accuracy.keep([kept, other], "single", "idle")
    with gzip.open(kept, "rt", encoding="utf-8") as text:
        rows = [(row["fold"], row["prediction"]) for row in csv.DictReader(text)]
    assert rows == [("0", "1"), ("0", "2"), ("1", "5"), ("1", "6")]
    notes = json.loads(kept.with_name("single.json").read_text(encoding="utf-8"))
    assert notes["seconds"] == [60, 60]
    busy, idle = notes["machine"].split("; ")
    assert busy.endswith(", busy")
    assert idle.endswith(", idle")

    second = write_run(tmp_path / "c", 1, {0: [3.0, 4.0], 1: [7.0, 8.0]})
    with pytest.raises(SystemExit, match="a single network has one seed, got 2"):
        accuracy.keep([kept, second], "single", "")
    accuracy.keep([kept, second], "ensemble", "")
    with gzip.open(kept.with_name("ensemble.csv.gz"), "rt", encoding="utf-8") as text:
        means = [row["prediction"] for row in csv.DictReader(text)]
    assert means == ["2", "3", "6", "7"]
    with pytest.raises(
        SystemExit, match=r"ensemble\.csv\.gz: expected a single seed, got"
    ):
        accuracy.keep([kept.with_name("ensemble.csv.gz")], "single", "")


def test_errors_are_shared_out_by_sites_values_and_elements(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    script = importlib.import_module("accuracy_errors")
    monkeypatch.setattr(script, "LEAST_WITH_ELEMENT", 2)
    crystals = [
        {"id": f"c{k}", "target": target, "structure": {"species": species}}
        for k, (target, species) in enumerate(
            [(1.0, ["Na"]), (2.0, ["Na", "Cl"]), (9.0, ["K", "Cl", "Cl"])]
        )
    ]
    task = script.Task("matbench_x", crystals, np.array([1.5, 3.0, 5.0]))
    row = dict(zip(script.WHERE, script.where(task), strict=True))
    assert row["MAE"] == "1.833"
    assert [row[k] for k in ("few sites", "some", "many")] == ["0.5", "1", "4"]
    assert row["elements with the largest MAE"] == "Cl 2.5, Na 0.75"
    first, *_ = script.worst(task)
    assert first == ("matbench_x", "c2", "KCl2", "3", "9.000", "5.000")
