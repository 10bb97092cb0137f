"""The predictions that are kept of official folds are those that the page speaks of."""

from __future__ import annotations

import csv
import gzip
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
