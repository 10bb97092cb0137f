"""Labels and groups as sources of all kinds give them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from ase.build import bulk
from ase.io import write

from pyg_sitenet.data.records import Failure, Record
from pyg_sitenet.data.sources import open_source
from pyg_sitenet.errors import DataError

CLASSES = {"kind": ("insulator", "metal")}
CELL = {"lattice": [[4.1, 0, 0], [0, 4.1, 0], [0, 0, 4.1]], "frac_coords": [[0, 0, 0]]}
ROWS = [
    {"id": "a", "species": ["Cs"], "kind": "metal", "gap": 0.0, "family": "alkali"},
    {"id": "b", "species": ["Ne"], "kind": " insulator", "gap": 9.0, "family": 2},
    {"id": "c", "species": ["Li"], "kind": "", "gap": 0.1, "family": "alkali"},
]


def _csv(folder: Path) -> Path:
    path = folder / "table.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "structure", "kind", "gap [eV]", "family"])
        for row in ROWS:
            cell = json.dumps({**CELL, "species": row["species"]})
            writer.writerow([row["id"], cell, row["kind"], row["gap"], row["family"]])
    return path


def _json(folder: Path) -> Path:
    path = folder / "table.json"
    path.write_text(json.dumps([{**CELL, **row} for row in ROWS]))
    return path


def _extxyz(folder: Path) -> Path:
    frames = []
    for row in ROWS:
        atoms = bulk(row["species"][0], "sc", a=4.1)
        keys = ("id", "kind", "gap", "family")
        atoms.info |= {key: row[key] for key in keys if row[key] != ""}
        frames.append(atoms)
    path = folder / "frames.extxyz"
    write(path, frames)
    return path


@pytest.fixture(params=[_csv, _json, _extxyz], ids=["csv", "json", "extxyz"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    result: Path = request.param(tmp_path)
    return result


def test_labels_become_their_places_beside_numbers(source: Path) -> None:
    records = list(open_source(source, ["kind", "gap"], classes=CLASSES))
    assert all(isinstance(record, Record) for record in records)
    result = [record.targets for record in records]
    assert [item["kind"] for item in result[:2]] == [1.0, 0.0]
    assert str(result[2]["kind"]) == "nan"
    assert [item["gap"] for item in result] == [0.0, 9.0, 0.1]


def test_groups_are_carried_as_labels(source: Path) -> None:
    records = list(open_source(source, ["gap"], group="family"))
    assert [record.group for record in records] == ["alkali", "2", "alkali"]


def test_crystal_without_a_group_is_not_used(source: Path) -> None:
    *_, last = open_source(source, ["gap"], group="kind")
    assert isinstance(last, Failure)
    assert last.reason == "the column 'kind' to group by is empty"


def test_unknown_label_is_a_failure_that_names_the_classes(source: Path) -> None:
    classes = {"kind": ("metal", "semimetal")}
    result = list(open_source(source, ["kind", "gap"], classes=classes))
    assert isinstance(result[1], Failure)
    expected = "the label 'insulator' of 'kind' is none of its classes"
    assert result[1].reason == f"{expected} (metal, semimetal)"


def test_missing_column_to_group_by_names_those_there_are(source: Path) -> None:
    message = r"no column 'phase' to group by \(available: .*family.*group:COLUMN"
    with pytest.raises(DataError, match=message):
        open_source(source, ["gap"], group="phase")


def test_labels_are_told_from_numbers(source: Path) -> None:
    result = open_source(source)
    assert "gap" in result.available
    assert "kind" in result.labels
    assert "kind" not in result.available
    assert result.has(["gap", "kind"], ["kind"]) == ["gap", "kind"]
    assert result.has(["gap", "kind"], []) == ["gap"]


def test_text_where_numbers_are_wanted_points_to_classes(tmp_path: Path) -> None:
    message = r"'kind' holds no numbers but 'metal'.*data\.classes=\{kind: \[\]\}"
    with pytest.raises(DataError, match=message):
        open_source(_csv(tmp_path), ["kind"])


def test_bundled_data_name_what_can_group() -> None:
    message = r"dielectric: no column 'x' to group by \(available: band_gap"
    with pytest.raises(DataError, match=message):
        open_source("dielectric", ["band_gap"], group="x")


def test_several_sources_share_their_classes(tmp_path: Path) -> None:
    (tmp_path / "2").mkdir()
    both = [_csv(tmp_path), _json(tmp_path / "2")]
    source = open_source(both, ["kind"], classes=CLASSES, group="family")
    assert list(source.column("kind"))[:3] == ["metal", " insulator", ""]
    first = next(iter(source))
    assert (first.targets, first.group) == ({"kind": 1.0}, "alkali")


@pytest.mark.parametrize("name", ["Gap", " gap ", "gap [eV]", "gap (eV)", "gpa"])
def test_target_of_another_spelling_is_asked_for(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=r", did you mean 'gap'\? \(available: gap"):
        open_source(_csv(tmp_path), [name])
    with pytest.raises(DataError, match=r"no target 'energy' \(available: gap"):
        open_source(_csv(tmp_path), ["energy"])
