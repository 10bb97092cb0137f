from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pyg_sitenet.csv_file import (
    CsvFile,
    FileState,
    beside,
    number_text,
    read_csv,
    write_table,
)
from pyg_sitenet.errors import DataError


def _write(path: Path) -> FileState:
    with CsvFile(path, ["id", "value"]) as file:
        file.add(["a", 1.0])
        return file.sync()


def test_rows_are_in_the_file_before_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "new" / "rows.csv"
    with CsvFile(path, ["id", "value"]) as file:
        file.add(["a", 1.23456789])
        assert path.read_bytes() == b"id,value\na,1.23456789\n"


@pytest.mark.parametrize("name", ["rows.tsv", "ROWS.TSV"])
def test_cells_of_a_tsv_are_separated_by_tabs(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with CsvFile(path, ["id", "value"]) as file:
        file.add(["Na, Cl", 1.5])
        file.add(["a\tb", 2])
    assert path.read_bytes() == b"id\tvalue\nNa, Cl\t1.5\n'a\\tb\t2\n"
    assert list(read_csv(path))[1:] == [["Na, Cl", "1.5"], ["a\tb", "2"]]
    write_table(path, pd.DataFrame({"id": ["Na, Cl"], "value": [1.5]}))
    assert path.read_bytes() == b"id\tvalue\nNa, Cl\t1.5\n"


def test_names_with_commas_lines_and_odd_bytes_are_kept_apart(tmp_path: Path) -> None:
    with CsvFile(tmp_path / "rows.csv", ["id", "value"]) as file:
        file.add(['a,"b"\nc', 1])
        file.add(["Fe₂O₃", None])
        file.add(["caf\udce9", 3])  # a file name that is no UTF-8
    rows = list(read_csv(tmp_path / "rows.csv"))[1:]
    assert rows == [['a,"b"\nc', "1"], ["Fe₂O₃", ""], ["caf\udce9", "3"]]


@pytest.mark.parametrize("torn", [b"", b"b,2.0\nc,", b"b"])
def test_what_comes_after_the_known_part_is_cut_off(
    tmp_path: Path, torn: bytes
) -> None:
    path = tmp_path / "rows.csv"
    before = _write(path)
    with path.open("ab") as file:
        file.write(torn)
    with CsvFile(path, ["id", "value"], before) as again:
        again.add(["b", 2.5])
        state = again.sync()
    assert path.read_bytes() == b"id,value\na,1\nb,2.5\n"
    assert state.num_bytes == len(path.read_bytes())


@pytest.mark.parametrize("content", [b"", b"id,value\n", b"id,value\nb,1\n"])
def test_changed_file_is_not_continued(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "rows.csv"
    state = _write(path)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"rows.csv: has been changed since"):
        CsvFile(path, ["id", "value"], state)
    assert path.read_bytes() == content


def test_missing_file_is_not_continued(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    state = _write(path)
    path.unlink()
    with pytest.raises(DataError, match=r"rows.csv: cannot be written: No such file"):
        CsvFile(path, ["id", "value"], state)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no full device")
def test_full_disk_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").symlink_to("/dev/full")
    with pytest.raises(DataError, match=r"rows.csv: cannot be written: No space"):
        CsvFile(tmp_path / "rows.csv", ["id"])


def test_numbers_have_the_digits_that_they_carry() -> None:
    numbers = [-1047520.04, 0.1, float(np.float32(0.1)), 1e300, float("nan"), 2.0]
    texts = [number_text(number) for number in numbers]
    assert texts == ["-1047520.04", "0.1", "0.1", "1e+300", "nan", "2"]


def test_large_numbers_of_a_column_are_written_alike() -> None:
    energies = [-1047520.04, -1047520.0, np.float32(-1047520.5), 2.5e15]
    texts = [number_text(energy) for energy in energies]
    assert texts == ["-1047520.04", "-1047520", "-1047520.5", "2500000000000000"]


def test_table_of_ordinary_names_is_what_pandas_writes(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "id": ["mp-1", "a,b", 'c"d', "C:\\e", "Fe₂O₃"],
            "gap [eV]": [-1.23456789, np.nan, np.inf, 1e-20, 3.0],
            "sites": range(5),
            "mixed": ["-1.5", 2.5, None, True, "+3e4"],
        }
    )
    write_table(tmp_path / "table.csv", table)
    expected = (
        "id,gap [eV],sites,mixed\n"
        "mp-1,-1.23456789,0,-1.5\n"
        '"a,b",,1,2.5\n'
        '"c""d",inf,2,\n'
        "C:\\e,1e-20,3,True\n"
        "Fe₂O₃,3,4,+3e4\n"
    )
    assert (tmp_path / "table.csv").read_bytes() == expected.encode()


def test_row_of_another_length_is_named(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("id,value\na,1\nb\n")
    with pytest.raises(DataError, match=r"rows.csv, after line 2: .*1 cells for 2"):
        list(read_csv(tmp_path / "rows.csv"))


@pytest.mark.parametrize("path", ["", ".", "/", "-"])
def test_output_without_a_name_is_refused(path: str) -> None:
    with pytest.raises(DataError, match=r"names no file; give one such as gaps\.csv"):
        beside(Path(path), "failures.csv")
