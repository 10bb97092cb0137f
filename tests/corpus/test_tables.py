"""Tables with structures or files: damaged, odd, or unusual and right."""

import csv
import gzip
import io
import json

import pytest
from pymatgen.core import Lattice, Structure

CSCL = Structure(Lattice.cubic(4.123), ["Cs", "Cl"], [[0, 0, 0], [0.5] * 3])
PLAIN = {
    "lattice": [[4.123, 0, 0], [0, 4.123, 0], [0, 0, 4.123]],
    "species": ["Cs", "Cl"],
    "frac_coords": [[0, 0, 0], [0.5, 0.5, 0.5]],
}
CIF = CSCL.to(fmt="cif")
POSCAR = CSCL.to(fmt="poscar")
OK = ("CsCl", 2, 4.123**3, 3.5706)


def table(structure, *, target="1.5", header=("id", "structure", "gap [eV]")):
    file = io.StringIO(newline="")
    cell = structure if isinstance(structure, str) else json.dumps(structure)
    csv.writer(file).writerows([header, ("a", cell, target)])
    return file.getvalue()


RIGHT = {
    "t.csv": {
        "CIF": table(CIF),
        "POSCAR": table(POSCAR),
        "dictionary": table(PLAIN),
        "dictionary of pymatgen": table(CSCL.as_dict()),
        "windows ends of lines": table(PLAIN).replace("\n", "\r\n"),
        "old mac ends of lines": table(PLAIN).replace("\r\n", "\r"),
        "byte order mark": b"\xef\xbb\xbf" + table(PLAIN).encode(),
        "empty lines": "\n\n" + table(PLAIN) + "\n\n\n",
        "number with an exponent": table(PLAIN, target=" 15e-1 "),
        "unit in brackets": table(PLAIN, header=("ID", "Structure", "gap (eV)")),
        "unicode": table(PLAIN, header=("id", "structure", "gap [Å]")),
    },
    "t.json": {
        "list": [{"id": "a", "structure": PLAIN, "gap": 1.5}],
        "rows by id": {"a": {"structure": PLAIN, "gap": 1.5}},
        "split": {
            "index": ["a"],
            "columns": ["structure", "gap"],
            "data": [[CSCL.as_dict(), 1.5]],
        },
        "columns": {"structure": {"a": PLAIN}, "gap": {"a": 1.5}},
        "structures in the rows": [{"id": "a", **PLAIN, "gap": 1.5}],
        "number as text": [{"id": "a", "structure": PLAIN, "gap": "1.5"}],
        "CIF": [{"id": "a", "cif": CIF, "gap": 1.5}],
    },
}
CASES = [(name, case) for name, cases in RIGHT.items() for case in cases]


@pytest.mark.parametrize(("name", "case"), CASES)
@pytest.mark.parametrize("compressed", [False, True])
def test_right_crystal(judge, name, case, compressed):
    content = RIGHT[name][case]
    if not isinstance(content, str | bytes):
        content = json.dumps(content)
    content = content.encode() if isinstance(content, str) else content
    if compressed:
        name, content = f"{name}.gz", gzip.compress(content)
    judge(name, content, OK, ("gap",))


def test_lines_of_json(judge):
    row = json.dumps({"id": "a", "structure": PLAIN, "gap": 1.5})
    judge("t.jsonl", f"\n{row}\n\n", OK, ("gap",))
    judge("t.ndjson", row, OK, ("gap",))


def structure(**changes):
    return PLAIN | changes


BAD_STRUCTURES = {
    "empty": ({}, "not the dictionary of a structure"),
    "no atoms": (structure(species=[], frac_coords=[]), "no atoms"),
    "no cell": (structure(lattice=None), "not the dictionary"),
    "flat cell": (structure(lattice=[[4, 0, 0], [0, 4, 0], [4, 4, 0]]), "no volume"),
    "cell of zero": (structure(lattice=[[0] * 3] * 3), "no volume|not the dictionary"),
    "cell of two vectors": (structure(lattice=[[4, 0, 0], [0, 4, 0]]), "not the dict"),
    "cell of 0.1 A": (
        structure(lattice=[[0.1, 0, 0], [0, 0.1, 0], [0, 0, 0.1]]),
        "no v",
    ),
    "cell of 1e9 A": (
        structure(lattice=[[1e9, 0, 0], [0, 1e9, 0], [0, 0, 1e9]]),
        "long",
    ),
    "cell of nan": (
        structure(lattice=[[float("nan"), 0, 0], [0, 4, 0], [0, 0, 4]]),
        ".",
    ),
    "coordinate nan": (
        structure(frac_coords=[[0, 0, 0], [float("nan"), 0, 0]]),
        "not finite",
    ),
    "coordinate inf": (
        structure(frac_coords=[[0, 0, 0], [float("inf"), 0, 0]]),
        "not finite",
    ),
    "coordinate null": (structure(frac_coords=[[0, 0, 0], [None, 0, 0]]), "not finite"),
    "coordinate as text": (structure(frac_coords=[[0, 0, 0], ["x", 0, 0]]), "not the"),
    "coordinate of 400 digits": (
        structure(frac_coords=[[0, 0, 0], [10**400, 0, 0]]),
        "not the dictionary|not finite|not JSON",
    ),
    "coordinates missing": (structure(frac_coords=[[0, 0, 0]]), "not the dictionary"),
    "dummy atom": (structure(species=["Cs", "X"]), "not a chemical|not the dict"),
    "unknown element": (structure(species=["Cs", "Qq"]), "not a chemical|not the dict"),
    "element as number": (structure(species=["Cs", None]), "not the dictionary|."),
    "two atoms in one place": (
        structure(frac_coords=[[0, 0, 0], [1, 0, 0]]),
        "are 0 A",
    ),
    "atoms 0.4 A apart": (structure(frac_coords=[[0, 0, 0], [0.1, 0, 0]]), "apart"),
    "partial occupancy": (structure(species=[{"Cs": 0.5}, "Cl"]), "disordered"),
    "mixed site": (structure(species=[{"Cs": 0.5, "K": 0.5}, "Cl"]), "disordered"),
}


@pytest.mark.parametrize("case", BAD_STRUCTURES)
@pytest.mark.parametrize("name", ["t.csv", "t.json", "t.jsonl"])
def test_bad_structure_is_one_reason(judge, name, case):
    values, reason = BAD_STRUCTURES[case]
    row = {"id": "a", "structure": values, "gap": 1.5}
    content = {
        "t.csv": lambda: table(values),
        "t.json": lambda: json.dumps([row]),
        "t.jsonl": lambda: json.dumps(row),
    }[name]()
    judge(name, content, reason, ("gap",))


BAD_TARGETS = {
    "": "missing",
    " ": "missing",
    "metal": "not a number",
    "nan": "not finite",
    "-inf": "not finite",
    "1e400": "not finite",
    "1e30": "too large",
    "1,5": "not a number",
    "0x1f": "not a number",
    "1.5.2": "not a number",
    "9" * 500: "not finite|too large",
}


@pytest.mark.parametrize("value", BAD_TARGETS, ids=lambda value: value[:9] or "empty")
@pytest.mark.parametrize("kind", ["csv", "jsonl", "id_prop"])
def test_bad_target_is_one_reason_among_good_rows(tmp_path, read, value, kind):
    for name in "abc":
        (tmp_path / f"{name}.cif").write_text(CIF)
    rows = [("a", "1.5"), ("b", value), ("c", "2.5")]
    if kind == "jsonl":
        lines = [json.dumps({"id": id_, "gap": number}) for id_, number in rows]
    else:
        header = [] if kind == "id_prop" else [("id", "gap")]
        lines = [f'{id_},"{number}"' for id_, number in [*header, *rows]]
    path = tmp_path / {"id_prop": "id_prop.csv"}.get(kind, f"t.{kind}")
    path.write_text("\n".join(lines))
    outcome = read(path, ("gap",))
    assert [record.id for record in outcome.records] == ["a", "c"]
    (reason,) = outcome.reasons
    assert any(part in reason for part in BAD_TARGETS[value].split("|"))


BAD_TABLES = {
    "empty csv": ("t.csv", "", "the table is empty"),
    "blank csv": ("t.csv", "\n \n", "the table is empty"),
    "csv of UTF-16": ("t.csv", table(PLAIN).encode("utf-16"), "not UTF-8"),
    "csv of latin-1": ("t.csv", "id,gr\xf6\xdfe\na,1".encode("latin-1"), "not UTF-8"),
    "csv with NULs": ("t.csv", b"id,gap\na,\x001\n", "NUL in line 2"),
    "csv without the target": ("t.csv", "id,n\na,1\n", "no target 'gap'"),
    "csv with the target twice": ("t.csv", "id,gap,gap\na,1,2\n", "several columns"),
    "csv of a web page": ("t.csv", "<html>\n<body>\n", "a single column"),
    "csv with an open quote": (
        "t.csv",
        'id,gap\n"a,1\nb,2\n',
        "a quote in line 2 is not closed",
    ),
    "csv with an endless line": (
        "t.csv",
        "id,gap\n" + "x" * 20_000_000,
        "field larger",
    ),
    "text for all targets": (
        "t.csv",
        "id,gap\na,metal\n",
        "holds no numbers but 'meta",
    ),
    "empty json": ("t.json", "", "not JSON|expected a list"),
    "truncated json": ("t.json", '[{"id": "a", "gap": 1', "not JSON"),
    "json of UTF-16": ("t.json", json.dumps([PLAIN]).encode("utf-16"), "not UTF-8"),
    "json of a number": ("t.json", "3", "expected a list of rows"),
    "json of text": ("t.json", '"hello"', "expected a list of rows"),
    "json of nothing": ("t.json", "null", "expected a list of rows"),
    "json with single quotes": ("t.json", "[{'id': 1}]", "not JSON"),
    "json with something after it": ("t.json", '[{"gap": 1}] x', "not JSON"),
    "deep json": ("t.json", "[" * 200_000, "not JSON"),
    "deep objects": ("t.json", '{"a":' * 200_000, "not JSON"),
    "deep row": ("t.json", '[{"id": ' + "[" * 200_000, "not JSON"),
    "web page for json": ("t.json", "<html></html>", "not JSON"),
    "yaml for json": ("t.json", "a: &a [x]\nb: &b [*a, *a]\n", "not JSON"),
    "broken gzip": ("t.json.gz", b"\x1f\x8b\x08 no", "damaged gzip file"),
    "gzip cut off": (
        "t.csv.gz",
        gzip.compress(table(PLAIN).encode(), mtime=0)[:-9],
        "damaged",
    ),
    "no gzip": ("t.csv.gz", table(PLAIN), "damaged gzip file"),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_unreadable_table_is_one_reason(judge, case):
    name, content, reason = BAD_TABLES[case]
    judge(name, content, reason, ("gap",))


def test_gzip_that_unpacks_to_far_too_much_is_refused(judge, monkeypatch):
    monkeypatch.setattr(
        "pyg_sitenet.data.structure.compression.UNSUSPICIOUS_BYTES", 1_000_000
    )
    content = gzip.compress(b"id,gap\n" + (b"x" * 9999 + b"\n") * 3000)
    judge("t.csv.gz", content, "unpacks to more than", ("gap",))


LINES = {
    "not json": "{'a': 1}",
    "a list": "[1, 2]",
    "deep": "[" * 200_000,
    "truncated": '{"id": "b", "gap": ',
    "a number of 5,000 digits": '{"id": "b", "gap": ' + "9" * 5000 + "}",
    "no structure": '{"id": "b", "gap": 1}',
}


@pytest.mark.parametrize("case", LINES)
def test_bad_line_among_good_ones_is_one_reason(tmp_path, read, case):
    good = [json.dumps({"id": k, "structure": PLAIN, "gap": 1.5}) for k in "ac"]
    path = tmp_path / "t.jsonl"
    path.write_text("\n".join([good[0], LINES[case], good[1]]))
    outcome = read(path, ("gap",))
    assert [record.id for record in outcome.records] == ["a", "c"]
    assert len(outcome.reasons) == 1


ROWS = {
    "nofile,1": "no structure file for 'nofile'",
    "../../../etc/passwd,1": ".",
    "/etc/passwd,1": ".",
    "folder,1": "no structure file for 'folder'",
    ",1": "names no structure",
    "a,1,2,3": "4 values for 2 columns",
    "a,1": "the id 'a' is already used by",
    f"{'x' * 5000},1": "no structure file for 'xxx",
    "bad.cif,1": "the file is empty",
    "\x01\x02,1": "no structure file",
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[:12])
def test_bad_row_among_good_ones_is_one_reason(tmp_path, read, row):
    for name in "ac":
        (tmp_path / f"{name}.cif").write_text(CIF)
    (tmp_path / "bad.cif").write_text("")
    (tmp_path / "folder").mkdir()
    (tmp_path / "t.csv").write_text(f"id,gap\na,1\n{row}\nc,2\n")
    outcome = read(tmp_path / "t.csv", ("gap",))
    assert [record.id for record in outcome.records] == ["a", "c"]
    (reason,) = outcome.reasons
    assert reason.count(ROWS[row]) or ROWS[row] == "."
