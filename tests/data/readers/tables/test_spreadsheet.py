"""Spreadsheets are read like CSV tables, and hostile ones are refused."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import openpyxl
import pytest
from pymatgen.core import Lattice, Structure

from pyg_sitenet.data.readers.tables import spreadsheet
from pyg_sitenet.data.readers.tables.spreadsheet import MAX_COLUMNS
from pyg_sitenet.data.records import Failure, Record
from pyg_sitenet.data.sources import open_source
from pyg_sitenet.errors import DataError

Cells = list[list[object]]

SALTS: Cells = [
    ["id", "file", "gap [meV]", "is salt", None, None],
    ["a", "NaCl.cif", 8500, True, None, None],
    ["b", "LiF.cif", 13.6e3, True],
    ["c", "NaCl.cif", "#N/A", False],
    [None, None],
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for metal, halogen, length in (("Na", "Cl", 5.6), ("Li", "F", 4.0)):
        cell = Lattice.cubic(length)
        sites = [[0, 0, 0], [0.5, 0.5, 0.5]]
        crystal = Structure.from_spacegroup("Fm-3m", cell, [metal, halogen], sites)
        crystal.to(str(tmp_path / f"{metal}{halogen}.cif"))
    return tmp_path


def write(path: Path, sheets: dict[str, Cells]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def repack(path: Path, name: str, content: bytes) -> Path:
    """Replace a part of a spreadsheet."""
    with zipfile.ZipFile(path) as archive:
        parts = {part: archive.read(part) for part in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, text in {**parts, name: content}.items():
            archive.writestr(part, text)
    return path


def test_cells_are_those_of_the_same_csv(folder: Path) -> None:
    path = write(folder / "t.xlsx", {"data": SALTS, "Sheet2": []})
    source = open_source(
        path, ["gap", "is salt"], classes={"is salt": ("False", "True")}
    )
    records = list(source)
    assert [r.id for r in records if isinstance(r, Record)] == ["a", "b", "c"]
    assert [r.targets["gap"] for r in records][:2] == [8500, 13600]
    assert [r.targets["is salt"] for r in records] == [1, 1, 0]
    assert source.units["gap"] == "meV"


def test_numbers_say_nothing_of_how_texts_are_meant(folder: Path) -> None:
    """Cells of numbers have no decimal sign; texts beside them may have any."""
    rows = [["id", "file", "gap", "n"], ["a", "NaCl.cif", 1.234, "0,5"]]
    path = write(folder / "t.xlsx", {"t": [*rows, ["b", "LiF.cif", 2.345, "0,25"]]})
    records = list(open_source(path, ["gap", "n"]))
    assert [r.targets for r in records if isinstance(r, Record)] == [
        {"gap": 1.234, "n": 0.5},
        {"gap": 2.345, "n": 0.25},
    ]
    rows = [["id", "file", "gap"], ["a", "NaCl.cif", "1,234"], ["b", "LiF.cif", 3.5]]
    path = write(folder / "t.xlsx", {"t": rows})
    one, other = open_source(path, ["gap"])
    assert isinstance(one, Failure)
    assert "'1,234'" in one.reason
    assert isinstance(other, Record)
    assert other.targets == {"gap": 3.5}


def write_shares(path: Path, heading: str, number_format: str = "0.0%") -> Path:
    """Write a sheet whose first crystal has its value in a format, the second plain."""
    book = openpyxl.Workbook()
    for row in (["file", heading], ["NaCl.cif", 0.125], ["LiF.cif", 30]):
        book.active.append(row)
    book.active["B2"].number_format = number_format
    book.save(path)
    return path


@pytest.mark.parametrize(
    ("heading", "target", "number_format", "value"),
    [
        ("share [%]", "share", "0.0%", 12.5),
        ("share (percent)", "share", "0%", 12.5),
        ("share / %", "share / %", "0.00%;[Red]-0.00%", 12.5),
        ("share in percent", "share in percent", "0.0%", 12.5),
        ("share [%]", "share", '0.0"%"', 0.125),
        ("share [%]", "share", r"0.0\%", 0.125),
        ("share / %", "share / %", "0.0", 0.125),
        ("share", "share", "0.0%", 0.125),
        ("share%", "share%", "0.0%", 12.5),
        ("share (in %)", "share (in %)", "0.0%", 12.5),
        ("at 5% load", "at 5% load", "0.0%", 0.125),
        ("p / wt%", "p / wt%", "0.0%", 0.125),
        ("p (at.%)", "p (at.%)", "0.0%", 0.125),
        ("p wt. %", "p wt. %", "0.0%", 0.125),
        ("p mol %", "p mol %", "0.0%", 0.125),
    ],
)
def test_cells_shown_in_percent_are_percent_under_a_heading_in_it(
    folder: Path, heading: str, target: str, number_format: str, value: float
) -> None:
    path = write_shares(folder / "t.xlsx", heading, number_format)
    source = open_source(path, [target])
    records = [record for record in source if isinstance(record, Record)]
    assert [r.structure.composition.reduced_formula for r in records] == ["NaCl", "LiF"]
    assert [r.targets[target] for r in records] == pytest.approx([value, 30])
    unit = "percent" if heading == "share (percent)" else "%"
    meaning = (
        f"12.5 in {unit}" if value > 1 else f"shares of 1; the heading '{target} ["
    )
    note = f"{target}: cells shown in percent, such as 0.125 as 12.5%, are taken as"
    is_shown = number_format not in ('0.0"%"', r"0.0\%", "0.0")
    assert len(source.notes) == is_shown
    assert all(text.startswith(f"{note} {meaning}") for text in source.notes)


def test_cells_shown_in_percent_are_told_and_converted(folder: Path) -> None:
    path = write_shares(folder / "t.xlsx", "share")
    note = (
        "share: cells shown in percent, such as 0.125 as 12.5%, are taken as shares of"
        " 1; the heading 'share [%]' states percent"
    )
    assert open_source(path, ["share"]).notes == [note]
    source = open_source(path, ["share"], units={"share": "%"})
    shares = [r.targets["share"] for r in source if isinstance(r, Record)]
    assert shares == pytest.approx([12.5, 30])
    assert source.notes == [f"{note.split(' shares')[0]} 12.5 in %"]
    source = open_source(path, ["share"], units={"share": ""})
    assert source.notes == [f"{note.split(' shares')[0]} 0.125 in plain numbers"]
    path = write_shares(folder / "t.xlsx", "share [eV]")
    failure, _ = open_source(path, ["share"])
    assert isinstance(failure, Failure)
    assert failure.reason == (
        "the target 'share' has cells shown in percent, but the unit is 'eV'"
    )


@pytest.mark.parametrize("unit", ["wt%", "at.%", "mol %"])
def test_percent_of_something_is_no_percent(folder: Path, unit: str) -> None:
    source = open_source(write_shares(folder / "t.xlsx", f"p [{unit}]"), ["p"])
    values = [r.targets["p"] for r in source if isinstance(r, Record)]
    assert values == pytest.approx([0.125, 30])
    assert any("p: cells shown in percent, such as" in note for note in source.notes)
    assert any(f"{unit!r} in its heading is no unit" in note for note in source.notes)


def test_percent_beside_a_column_of_units(folder: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["file", "share", "share unit"])
    book.active.append(["NaCl.cif", 0.125, "%"])
    book.active.append(["LiF.cif", 30, "%"])
    book.active["B2"].number_format = "0%"
    book.save(folder / "t.xlsx")
    records = list(open_source(folder / "t.xlsx", ["share"]))
    shares = [r.targets["share"] for r in records if isinstance(r, Record)]
    assert shares == pytest.approx([12.5, 30])


def test_table_of_a_folder_may_be_a_spreadsheet_beside_the_lock_of_excel(
    folder: Path,
) -> None:
    rows = [[row[1] if k else "file", row[2]] for k, row in enumerate(SALTS[:3])]
    write(folder / "t.xlsx", {"data": rows})
    (folder / "~$t.xlsx").write_bytes(b"lock")
    assert [r.targets["gap"] for r in open_source(folder, ["gap"])] == [8500, 13600]
    # Where there is a CSV too, as it was saved from the sheet, that is the table.
    (folder / "t.csv").write_text("file,gap\nNaCl.cif,1\nLiF.cif,2\n")
    assert [r.targets["gap"] for r in open_source(folder, ["gap"])] == [1, 2]


def test_without_openpyxl_the_remedy_is_told(folder: Path, monkeypatch) -> None:
    path = write(folder / "t.xlsx", {"data": SALTS})
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(DataError, match=r"save its sheet as CSV.*pyg-sitenet\[xlsx\]"):
        open_source(path, ["gap"])


@pytest.mark.parametrize(
    ("sheets", "message"),
    [
        ({"a": SALTS, "b": SALTS}, "expected one sheet with cells, got 'a', 'b'"),
        ({"a": []}, "expected one sheet with cells, got none"),
        ({f"{k}": [] for k in range(101)}, "101 sheets, more than 100"),
        ({"a": [[1] * (MAX_COLUMNS + 1)]}, f"a sheet of {MAX_COLUMNS + 1} columns"),
    ],
    ids=["two", "none", "many", "wide"],
)
def test_sheets_that_are_no_single_table_are_named(
    tmp_path: Path, sheets: dict[str, Cells], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        open_source(write(tmp_path / "t.xlsx", sheets), ["gap"])


ENTITIES = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'


@pytest.mark.parametrize(
    ("part", "content", "message"),
    [
        ("xl/worksheets/sheet1.xml", b" " * 2**24, "unpacks to .* more than is read"),
        ("xl/styles.xml", bytes(range(256)) * 2**16, "unpacks to .* more than is read"),
        ("xl/sharedStrings.xml", ENTITIES, "declares a document type"),
        ("xl/other.bin", ENTITIES, "declares a document type"),
        ("xl/workbook.xml", b"<workbook>", "cannot be read, it is damaged"),
    ],
    ids=["bomb", "large part", "entities", "entities elsewhere", "cut off"],
)
def test_hostile_spreadsheets_are_refused(
    tmp_path: Path, part: str, content: bytes, message: str
) -> None:
    path = repack(write(tmp_path / "t.xlsx", {"data": SALTS}), part, content)
    with pytest.raises(DataError, match=message):
        open_source(path, ["gap"])


def test_one_text_in_many_cells_has_a_bound(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(spreadsheet, "MAX_BYTES", 40_000)
    path = write(tmp_path / "t.xlsx", {"data": []})
    space = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    text = f"<sst {space}><si><t>{'x' * 5000}</t></si></sst>"
    rows = '<row><c t="s"><v>0</v></c></row>' * 100
    sheet = f"<worksheet {space}><sheetData>{rows}</sheetData></worksheet>"
    with zipfile.ZipFile(path) as archive:
        types = archive.read("[Content_Types].xml")
    kind = b"application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings"
    entry = (
        b'<Override PartName="/xl/sharedStrings.xml" ContentType="' + kind + b'+xml"/>'
    )
    repack(path, "[Content_Types].xml", types.replace(b"</Types>", entry + b"</Types>"))
    repack(path, "xl/sharedStrings.xml", text.encode())
    repack(path, "xl/worksheets/sheet1.xml", sheet.encode())
    with pytest.raises(DataError, match="a sheet of more than 40000 letters"):
        open_source(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04", "cannot be read, it is damaged"),
        (b"\xd0\xcf\x11\xe0" * 99, "an encrypted spreadsheet"),
    ],
)
def test_what_is_no_spreadsheet_is_named(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "t.xlsx"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        open_source(path, ["gap"])


def test_rows_end_where_those_of_excel_do(folder: Path, monkeypatch) -> None:
    monkeypatch.setattr(spreadsheet, "_MAX_ROWS", 1000)
    path = write(folder / "t.xlsx", {"data": SALTS})
    with zipfile.ZipFile(path) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml")
    far = sheet.replace(b'<row r="3"', b'<row r="999999999999"')
    path = repack(path, "xl/worksheets/sheet1.xml", far)
    assert far != sheet
    assert [r.id for r in open_source(path, ["gap"])] == ["a"]
