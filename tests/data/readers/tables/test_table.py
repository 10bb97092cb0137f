import gzip
import io
import json

import pytest

from pyg_sitenet.data.readers.tables.table import read_table
from pyg_sitenet.data.structure.text import TextFile
from pyg_sitenet.errors import DataError


def _read(name, content, headers=()):
    return read_table(TextFile(name, lambda: io.BytesIO(content)), headers)


def _values(table):
    return [dict(row.values) for row in table.rows()]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_of_any_usual_delimiter_is_read(delimiter):
    text = "id,gap [eV],note\na,1,x\n\nb,2,\n".replace(",", delimiter)
    table = _read("t.csv", text.encode())
    assert table.columns == ["id", "gap", "note"]
    assert table.units == {"gap": "eV"}
    assert _values(table)[1] == {"id": "b", "gap": "2", "note": ""}


def test_other_delimiters_within_quotes_do_not_count():
    text = 'id,"a; b;; c;;",gap\n"x, y","1; 2",3\n'
    (row,) = _read("t.csv", text.encode()).rows()
    assert row.values == {"id": "x, y", "a; b;; c;;": "1; 2", "gap": "3"}


def test_byte_order_mark_of_excel_is_no_part_of_the_header():
    assert _read("t.csv", b"\xef\xbb\xbfid,gap\na,1\n").columns == ["id", "gap"]


@pytest.mark.parametrize(
    "start",
    [
        "# source: Smith, 2020\n",
        "#\n# gap in eV; 2, 3, 4\n\n",
        '"# source: Smith, 2020",\n,\n',
        "\n  \n,\n",
        "sep=,\n",
        '\ufeff"SEP=,"\r\n',
        "sep=,\n# a, b, c, d\n",
    ],
)
def test_what_stands_before_the_heading_is_no_part_of_the_table(start):
    text = f"{start}id,gap\na,1\n  \nb;c,2\n"
    table = _read("t.csv", text.encode())
    assert _values(table) == [{"id": "a", "gap": "1"}, {"id": "b;c", "gap": "2"}]


def test_delimiter_that_a_table_states_is_meant():
    table = _read("t.csv", b"sep=;\nid;gap, DFT, PBE\na;1,5\n")
    assert table.columns == ["id", "gap, DFT, PBE"]


def test_heading_may_be_a_remark_as_numpy_writes_it():
    table = _read("t.csv", b"# by nobody, 2020\n# id, gap [eV]\n1,2.5\n2,3.5\n")
    assert table.units == {"gap": "eV"}
    assert _values(table)[0] == {"id": "1", "gap": "2.5"}
    assert _read("t.csv", b"#,gap\n1,2.5\n").columns == ["", "gap"]
    labels = _read("t.csv", b"#file,kind\na.cif,metal\nb.cif,salt\n")
    assert _values(labels)[0] == {"file": "a.cif", "kind": "metal"}
    both = _read("t.csv", b"# file, what it is\nfile,kind\na.cif,metal\n")
    assert _values(both) == [{"file": "a.cif", "kind": "metal"}]


def test_remarks_and_rules_between_rows_are_passed_over():
    text = b"| id | gap |\n|---|:-:|\n| a | 1 |\n# doubtful\n| b | -2 |\n# end\n"
    rows = _values(_read("t.csv", text))
    assert [row["id"].strip() for row in rows] == ["a", "b"]
    assert len(_values(_read("t.csv", b"structure\n#1\n#2\n"))) == 2  # names


def test_quote_that_is_not_closed_is_told_with_its_line():
    text = b'# x\nid,gap\na,1\n"b,2\nc,3\n'
    with pytest.raises(DataError, match=r"a quote in line 4 is not closed, so that"):
        _read("t.csv", text)
    inches = _read("t.csv", b'id,gap,note\na,1,5" wafer\nb,2,x\n')
    assert inches.count == 2
    cif = _read("t.csv", b'id,cif\na,"data_\n"\n')
    assert cif.count == 1
    inches = b'id,note,cif\na,5" wafer,x\nb,,"two\nlines"\n'
    assert _values(_read("t.csv", inches))[1]["cif"] == "two\nlines"


def test_units_below_the_heading_are_those_of_the_columns():
    table = _read("t.csv", b"id,gap,n,E [eV]\n,meV,,\na,1500,2,3\n")
    assert table.units == {"gap": "meV", "E": "eV"}
    assert _values(table) == [{"id": "a", "gap": "1500", "n": "2", "E": "3"}]
    assert _read("t.csv", b"id,gap\n[units],meV\na,1\n").units == {"gap": "meV"}
    assert _read("t.csv", b"id,gap\nK,meV\n,1\n").count == 2  # a crystal called K


@pytest.mark.parametrize("title", ["Band gaps", "Band gaps of oxides,"])
def test_title_above_the_heading_is_told_as_such(title):
    message = (
        r"'Band gaps.*names a single column, and the one below has more; .* #; if it"
        " names the structures, call it 'structure'"
    )
    with pytest.raises(DataError, match=message):
        _read("t.csv", f"{title}\nid,gap\na,1\n".encode())


def test_csv_cell_may_hold_a_whole_file():
    long = "x" * 200_000
    table = _read("t.csv", f'id,cif\na,"{long}\n{long}"\n'.encode())
    assert len(next(table.rows()).values["cif"]) == 400_001


def test_row_with_too_many_values_is_one_problem():
    table = _read("t.csv", b"id,gap\na,1,5\nb,2\n")
    assert [row.problem for row in table.rows()] == ["3 values for 2 columns", ""]


def test_cgcnn_table_has_no_header():
    table = _read("folder/id_prop.csv", b"a,1\nb,2\n", ["gap"])
    assert _values(table) == [{"id": "a", "gap": "1"}, {"id": "b", "gap": "2"}]
    assert _read("id_prop.csv", b"a,1,2\n").columns == ["id", "target", "target_2"]


def test_cgcnn_table_may_have_a_header():
    table = _read("id_prop.csv", b"id,gap\na,1\n")
    assert _values(table) == [{"id": "a", "gap": "1"}]


@pytest.mark.parametrize("row", [",(meV),[eV]", "(-),[meV], (eV) ", "[units],(meV),eV"])
def test_units_below_the_heading_may_stand_in_brackets(row):
    table = _read("t.csv", f"id,gap,E\n{row}\na,500,-1\n".encode())
    assert table.units == {"gap": "meV", "E": "eV"}
    assert _values(table) == [{"id": "a", "gap": "500", "E": "-1"}]


def test_columns_of_json_may_state_units():
    rows = [{"id": "a", "gap [eV]": 1.5, "gap (PBE)": 1.0}]
    table = _read("t.json", json.dumps(rows).encode())
    assert table.columns == ["id", "gap", "gap (PBE)"]
    assert table.units == {"gap": "eV"}
    assert _values(table) == [{"id": "a", "gap": 1.5, "gap (PBE)": 1.0}]


def test_columns_without_name_are_no_columns_of_one_name():
    table = _read("t.csv", b"id,gap [eV],,,\na,1,,,\nb,2,,,\n")
    assert table.numbers == {"gap"}
    assert table.labels == {"id"}
    indexed = _read("t.csv", b",id,gap\n0,a,1\n")
    assert indexed.columns == ["", "id", "gap"]


def test_two_columns_of_json_in_two_units_keep_both():
    rows = [{"id": "a", "E [eV]": 1.5, "E [meV]": 1500}]
    table = _read("t.json", json.dumps(rows).encode())
    assert table.units == {"E [eV]": "eV", "E [meV]": "meV"}


@pytest.mark.parametrize("name", ["t.csv", "t.json"])
@pytest.mark.parametrize("target", ["gap", "gap [foo]"])
def test_unit_that_nobody_knows_is_told_by_name(name, target):
    text = b"id,gap [foo],b (PBE)\na,1,2\n"
    if name == "t.json":
        text = json.dumps([{"id": "a", "gap [foo]": 1, "b (PBE)": 2}]).encode()
    table = _read(name, text, [target])
    assert table.units == {}
    assert table.notes[target][0].startswith(
        f"{target}: 'foo' in its heading is no unit that is known, so it has none; if"
    )
    assert not table.notes.get("b (PBE)")


def test_delimiters_of_the_heading_alone_do_not_count():
    text = "id;K (GPa, 300 K, dense), mean\na;1\n"
    (row,) = _read("t.csv", text.encode()).rows()
    assert row.values == {"id": "a", "K (GPa, 300 K, dense), mean": "1"}


def test_thousands_in_a_table_of_decimal_commas_are_not_guessed():
    table = _read("t.csv", b"id;x;gap\na;0,5;1.234\nb;2,5;2.345\n")
    assert table.numbers == {"x"}
    assert table.unsure == {"gap": "1.234"}
    clear = _read("t.csv", b"id;x;gap\na;0,5;1.234\nb;2,5;0.345\n")
    assert clear.numbers == {"x", "gap"}
    assert not clear.unsure


def test_blanks_before_quotes_are_no_part_of_a_cell():
    text = '"id", "gap", "note"\n"a", "1.5", "x, y"\n'
    (row,) = _read("t.csv", text.encode()).rows()
    assert row.values == {"id": "a", "gap": "1.5", "note": "x, y"}


def test_broken_line_of_json_lines_is_one_problem():
    table = _read("t.jsonl", b'{"id": 1, "gap": 2}\n{"id": \n\n3\n')
    assert [bool(row.problem) for row in table.rows()] == [False, True, True]
    assert "not JSON" in list(table.rows())[1].problem
    assert table.columns == ["id", "gap"]


def test_row_that_gives_a_key_twice_is_one_problem():
    table = _read("t.jsonl", b'{"id": 1, "gap": 2}\n{"id": 2, "gap": 2, "gap": 3}\n')
    first, other = table.rows()
    assert not first.problem
    assert other.problem == "gives 'gap' twice; remove the one that is not meant"


ROWS = [{"id": "a", "structure": "a.cif", "gap": 1}, {"id": "b", "structure": "b.cif"}]


@pytest.mark.parametrize(
    "document",
    [
        ROWS,
        {
            "index": ["a", "b"],
            "columns": ["structure", "gap"],
            "data": [["a.cif", 1], ["b.cif", None]],
        },
        {
            "structure": {"a": "a.cif", "b": "b.cif"},
            "gap": {"a": 1},
        },
        {"a": {"structure": "a.cif", "gap": 1}, "b": {"structure": "b.cif"}},
    ],
    ids=["records", "split", "columns", "index"],
)
def test_json_of_pandas_gives_the_same_rows(document):
    table = _read("t.json", json.dumps(document).encode())
    shown = [
        (row.values["id"], row.values["structure"], row.values.get("gap"))
        for row in table.rows()
    ]
    assert shown == [("a", "a.cif", 1), ("b", "b.cif", None)]


def test_compressed_table_is_read():
    table = _read("t.jsonl.gz", gzip.compress(b'{"id": "a"}\n'))
    assert _values(table) == [{"id": "a"}]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"", "t.csv: the table is empty"),
        ("t.csv", b"PK\x03\x04\0\0", "not UTF-8 text but a zip archive or a spread"),
        ("t.csv", "id,gap".encode("utf-16"), "not UTF-8 text but UTF-16 text; give"),
        ("t.csv", "id,größe\n".encode("latin-1"), "not UTF-8 text .* save it as UTF-8"),
        ("t.csv", b"id gap\na 1\n", "a single column, 'id gap', .* put a comma, semi"),
        ("t.csv", b"id,gap,gap [eV]\na,1,2\n", "several columns are named 'gap'"),
        ("t.csv", b"a.cif,1\nb.cif,2\n", "first line, 'a.cif,1', is that of a crystal"),
        (
            "t.csv",
            b"mp-1;0,5\nmp-2;0,7\n",
            "is that of a crystal and no heading; put on",
        ),
        ("t.json", b'{"data": [{"id": 1}], "data": [{"id": 2}]}', "gives 'data' twice"),
        ("t.json", b"[", "t.json: not JSON"),
        ("t.json", b"3", "expected a list of rows"),
        ("t.json", b'[{"id": "a", "gap": 1, "gap": 2}]', "t.json: gives 'gap' twice"),
        ("t.json", b'{"gap": {"a": 1}, "gap": {"a": 2}}', "t.json: gives 'gap' twice"),
        ("t.json", b'{"a": {"gap": 1}, "b": {"b": 1, "b": 2}}', "gives 'b' twice"),
        ("t.json", b"[" * 100_000, "t.json: not JSON"),
        ("t.csv.gz", b"id,gap\n", "damaged gzip file"),
        (
            "t.csv.gz",
            gzip.compress(b"id,gap\n" * 99, mtime=0)[:-9],
            "damaged gzip file",
        ),
    ],
)
def test_unreadable_table_says_why(name, content, message):
    with pytest.raises(DataError, match=message):
        _read(name, content, ["gap"])


@pytest.mark.parametrize(
    "heading", ["id,structure.cif,gap", ",0", ",0,1", "compound,300,400", "x,2020"]
)
def test_headings_of_numbers_and_dots_are_headings(heading):
    assert _read("t.csv", f"{heading}\na,1.5,2\n".encode()).count == 1


def test_unit_below_a_heading_that_states_another_is_refused():
    message = r"heading says that 'gap' is in 'eV', the row below it 'meV'; correct one"
    with pytest.raises(DataError, match=message):
        _read("t.csv", b"id,gap [eV]\n,meV\na,1500\n")
    same = _read("t.csv", b"id,gap [cm-1]\n,cm^-1\na,15\n")
    assert same.units == {"gap": "cm-1"}
