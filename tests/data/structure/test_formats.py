"""Files of every kind, whole and broken."""

from __future__ import annotations

import bz2
import gzip
import logging
import warnings

import pytest
from ase.build import bulk
from ase.data import atomic_numbers
from ase.io import write

from pyg_sitenet.data.structure.border import reading
from pyg_sitenet.data.structure.load import load_structure
from pyg_sitenet.errors import SiteNetWarning, StructureError

POSCAR = """\
rock salt
1.0
4 0 0
0 4 0
0 0 4
Na Cl
1 1
direct
0 0 0
0.5 0.5 0.5
"""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("POSCAR", POSCAR),
        ("CONTCAR", POSCAR),
        ("x.vasp", POSCAR),
        ("POSCAR.gz", POSCAR),
        ("x.cif", "cif"),
        ("X.CIF", "cif"),
        ("x.cif.gz", "cif"),
        ("x.cif.bz2", "cif"),
        ("x.json", "json"),
        ("x.xsf", "xsf"),
    ],
)
def test_formats_are_recognised(tmp_path, cscl, name, text):
    if text in ("cif", "json", "xsf"):
        text = cscl.to(fmt=text)
    content = text.encode()
    if name.endswith(".gz"):
        content = gzip.compress(content)
    elif name.endswith(".bz2"):
        content = bz2.compress(content)
    path = tmp_path / name
    path.write_bytes(content)
    assert len(load_structure(path)) == 2


@pytest.mark.parametrize("name", ["a.extxyz", "a.traj", "a.xsf", "a@b.extxyz"])
def test_what_ase_writes_is_read(tmp_path, name):
    path = tmp_path / name
    atoms = bulk("NaCl", "rocksalt", 5.64)
    write(path, atoms)
    assert load_structure(path).volume == pytest.approx(5.64**3 / 4)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.cif", b"", "a.cif: the file is empty"),
        ("a.cif", b" \n\n", "a.cif: the file is empty"),
        ("a.cif", b"data_x\n_name 'caf\xe9'\n", "a.cif: not UTF-8 text .line 2."),
        ("a.cif", b"data_x\n_cell_length_a 4\n", "a.cif: a CIF with no structure"),
        ("a.cif", b"<html>404</html>", "a.cif: a CIF with no structure"),
        ("a.cif.gz", b"not compressed", "damaged gzip file"),
        ("POSCAR", POSCAR[:-20].encode(), "POSCAR: damaged or truncated: says 2 atoms"),
        ("POSCAR", POSCAR.replace("Na Cl\n", "").encode(), "names no elements"),
        ("POSCAR", POSCAR.replace("Na", "Xx").encode(), "'Xx.*' is not a chemical el"),
        ("POSCAR", POSCAR.replace("0 4 0", "0 0 0").encode(), "no volume"),
        ("POSCAR", POSCAR.replace("0.5 0.5", "nan 0.5").encode(), "not finite"),
        ("POSCAR", POSCAR.replace("1 1", "-1 1").encode(), "expected numbers of at"),
        ("POSCAR", POSCAR.replace("0.5 0.5", "1e300 0.5").encode(), "can be meant"),
        ("POSCAR", POSCAR.replace("0 4 0", "0 1e9 0").encode(), "longer than 100000 A"),
        ("a.xyz", b"1\n\nQq 0 0 0\n", "unknown name 'Qq'"),
        ("a.xyz", b"2\n\nH 0 0 0\nH 0 0 0.74\n", "molecule or slab without period"),
        ("a.xyz", b"3\n\nH 0 0 0\nH 0 0 0.74\n", "cannot be read, it is damaged"),
        ("a.txt", b"nothing of the kind", "its name tells no format"),
        ("a.csv", b"id,gap\n", "a table of crystals where the file of a single one"),
        ("a.json", b"[1, 2]", "not the JSON or YAML of one"),
        ("a.json", b"{", "cannot be read"),
        ("a.json", b'{"sites": [], "sites": []}', "a.json: gives 'sites' twice"),
        ("a.traj", bytes(range(64)), "cannot be read"),
    ],
)
def test_broken_files_are_named_with_the_cause(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(StructureError, match=message) as caught:
        load_structure(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("columns", "atom"),
    [
        ("species:S:1:pos:R:3", "{} {}"),
        ("pos:R:3:forces:R:3:species:S:+1", "{1} 0 0 0 {0}"),
    ],
)
def test_isotopes_in_a_frame_count_as_hydrogen(tmp_path, columns, atom):
    path = tmp_path / "a.extxyz"
    head = f'3\nLattice="4 0 0 0 4 0 0 0 4" Properties={columns}\n'
    atoms = [("Li", "0 0 0"), ("d", "2 2 2"), ("T", "0 2 0")]
    path.write_text(head + "".join(atom.format(*own) + "\n" for own in atoms))
    with pytest.warns(SiteNetWarning, match="deuterium and tritium count as hydrogen"):
        structure = load_structure(path)
    assert structure.composition.hill_formula == "H2 Li"
    assert "D" not in atomic_numbers


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(StructureError, match=r"none.cif: no such file"):
        load_structure(tmp_path / "none.cif")


def test_a_folder_is_no_structure_file(tmp_path):
    with pytest.raises(StructureError, match="a folder where a structure file"):
        load_structure(str(tmp_path))


def test_warnings_of_other_libraries_are_logged_not_shown(caplog):
    # Warnings are errors in this suite: a leak would fail here.
    with (
        caplog.at_level(logging.INFO, logger="pyg_sitenet"),
        reading("x.cif") as texts,
    ):
        warnings.warn("theirs", UserWarning, stacklevel=1)
    assert texts == ["theirs"]
    assert "x.cif: theirs" in caplog.messages
