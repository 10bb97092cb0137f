"""No cell of a CSV file that we write is a formula or commands a terminal."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import pyg_sitenet
from pyg_sitenet.cli import main
from pyg_sitenet.config import Config, DataConfig, ModelConfig
from pyg_sitenet.csv_file import CsvFile, read_csv
from pyg_sitenet.data.sources import open_source
from pyg_sitenet.model_file import ModelDescription, save_model
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.safe_text import cell_text, terminal_text, text_of_cell

PACKAGE = Path(pyg_sitenet.__file__).parent
FORMULA = "=cmd|' /C calc'!A0"
HOSTILE = [FORMULA, "@SUM(1)", "-1+1", "\t=1", "a;=1", "x\x1b[2J", "'=1", "\uff1d1"]
SALT = {
    "lattice": [[4, 0, 0], [0, 4, 0], [0, 0, 4]],
    "species": ["Na", "Cl"],
    "frac_coords": [[0, 0, 0], [0.5, 0.5, 0.5]],
}
CONFIG = Config(
    data=DataConfig(max_atoms=8, environment="sphere"),
    model=ModelConfig(
        heads=1, attention_hidden=(4,), pre_pool=(4,), post_pool=(4,), blocks=1
    ),
)


def is_harmless(cell: str) -> bool:
    is_number = re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?", cell, re.ASCII | re.IGNORECASE)
    starts = [part.strip()[:1] for part in cell.split(";")]
    signs = set("=+-@\uff1d\uff0b\uff0d\uff20")
    return cell == terminal_text(cell) and (is_number or signs.isdisjoint(starts))


def cells(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


@pytest.mark.parametrize("text", ["mp-1", "C:\\a.cif", "-1.5e-3", "+2", "'t Hooft", ""])
def test_ordinary_text_stays_as_it_is(text):
    assert text_of_cell(text) == text
    if not text.startswith("'"):
        assert cell_text(text) == text


@pytest.mark.parametrize("text", [*HOSTILE, "-", "+a", "\r", "a\nb", "\x7f", "\x9b"])
def test_hostile_text_is_marked_and_comes_back(text):
    assert text.startswith("'") or not is_harmless(text)
    assert is_harmless(cell_text(text))
    assert text_of_cell(cell_text(text)) == text


@given(st.text(st.characters() | st.sampled_from("'\\=;-@\x1b\ud800 x41")))
def test_any_text_is_harmless_and_comes_back(text):
    assert is_harmless(cell_text(text))
    assert text_of_cell(cell_text(text)) == text
    assert cell_text(text_of_cell(text)) in (text, cell_text(text))


def test_nothing_else_writes_csv():
    writers = {
        path.name
        for folder in (PACKAGE, Path(main.__file__).parent)
        for path in folder.rglob("*.py")
        if re.search(r"csv\.\w*[wW]riter|to_csv", path.read_text(encoding="utf-8"))
    }
    # A spreadsheet becomes CSV in memory, for the reader of tables.
    assert writers == {"csv_file.py", "spreadsheet.py"}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    description = ModelDescription(
        config=CONFIG, targets=("=gap",), units={}, elements=(11, 17)
    )
    save_model(tmp_path / "model.safetensors", SiteNet(CONFIG.model), description)
    return tmp_path / "model.safetensors"


@pytest.fixture
def crystals(tmp_path: Path) -> Path:
    """Crystals with hostile ids, the last of which cannot be used."""
    flat = SALT | {"lattice": [[0.1, 0, 0], [0, 0.1, 0], [0, 0, 0.1]]}
    structures = [SALT] * 6 + [flat] * 2
    path = tmp_path / "crystals.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for id_, structure in zip(HOSTILE, structures, strict=True):
            file.write(json.dumps({"id": f"{id_}@1", "structure": structure}) + "\n")
        file.write(json.dumps({"id": f"{FORMULA}@2", "structure": SALT}) + "\n")
    return path


def test_predictions_failures_and_statistics_keep_the_ids(model, crystals, tmp_path):
    output, options = tmp_path / "out.csv", ("--statistics", "--workers=1")
    done = CliRunner().invoke(
        main.app,
        ["predict", str(model), str(crystals), f"--output={output}", *options],
    )
    assert done.exit_code == 0, done.output
    ids = []
    for name in ("out.csv", "out_failures.csv", "out_statistics.csv"):
        written = cells(tmp_path / name)
        assert all(is_harmless(cell) for row in written for cell in row)
        headings, *rows = read_csv(tmp_path / name)
        assert [[text_of_cell(cell) for cell in row] for row in written[1:]] == rows
        ids += [row[headings.index("id")] for row in rows if "id" in headings]
        if name == "out_statistics.csv":
            assert [row[:3] for row in rows] == [[FORMULA, "NaCl", "=gap"]]
    assert sorted(ids) == sorted(entry.id for entry in open_source(crystals).entries())


def test_a_file_of_ours_as_a_table_has_the_ids_that_were_written(tmp_path):
    poscar = "NaCl\n1\n4 0 0\n0 4 0\n0 0 4\nNa Cl\n1 1\ndirect\n0 0 0\n.5 .5 .5\n"
    with CsvFile(tmp_path / "table.csv", ["id", "structure", "=gap"]) as file:
        for id_ in HOSTILE:
            file.add([id_, poscar, 1.0])
    records = list(open_source(tmp_path / "table.csv", ("=gap",)).entries())
    assert [record.id for record in records] == [id_.strip() for id_ in HOSTILE]
    assert records[0].targets == {"=gap": 1.0}
