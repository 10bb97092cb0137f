"""CIFs as they come: damaged, odd, contradictory, or unusual and right."""

import bz2
import gzip
import lzma
import zipfile

import pytest

HEAD = """data_NaCl
_cell_length_a 5.64
_cell_length_b 5.64
_cell_length_c 5.64
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
"""
SYMMETRY = (
    "_symmetry_space_group_name_H-M 'F m -3 m'\n_symmetry_Int_Tables_number 225\n"
)
LOOP = """loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
"""
ATOMS = "Na1 Na 0 0 0 1\nCl1 Cl 0.5 0.5 0.5 1\n"
CSCL = HEAD.replace("5.64", "4.123") + LOOP + ATOMS.replace("Na", "Cs")
NACL = HEAD + SYMMETRY + LOOP + ATOMS
OK = ("CsCl", 2, 4.123**3, 3.5706)
ROCK_SALT = ("NaCl", 8, 5.64**3, 2.82)
OPS = "loop_\n_symmetry_equiv_pos_as_xyz\n"


def atoms(*lines):
    return HEAD.replace("5.64", "4.123") + LOOP + "\n".join(lines) + "\n"


def cell(**changes):
    text = CSCL
    for key, value in changes.items():
        kind = "angle" if key in ("alpha", "beta", "gamma") else "length"
        old = "90" if kind == "angle" else "4.123"
        text = text.replace(f"_cell_{kind}_{key} {old}", f"_cell_{kind}_{key} {value}")
    return text


RIGHT = {
    "plain": (CSCL, OK),
    "by the name of its space group": (NACL, ROCK_SALT),
    "windows ends of lines": (CSCL.replace("\n", "\r\n"), OK),
    "old mac ends of lines": (CSCL.replace("\n", "\r"), OK),
    "byte order mark": (b"\xef\xbb\xbf" + CSCL.encode(), OK),
    "comment before the block": ("# made by hand\n#\n\n" + CSCL, OK),
    "no end of the last line": (CSCL.rstrip(), OK),
    "tabs and blanks": (CSCL.replace(" ", "\t  "), OK),
    "unicode in a comment": (CSCL + "# Ångström, Müller, 中文\n", OK),
    "uncertainties": (
        cell(a="4.123(5)", b="4.123(12)").replace("0.5 0.5", "0.5(2) 0.50(1)"),
        OK,
    ),
    "no occupancies": (
        CSCL.replace("_atom_site_occupancy\n", "").replace(" 1\n", "\n"),
        OK,
    ),
    "unknown occupancies": (CSCL.replace(" 1\n", " ?\n"), OK),
    "coordinates outside the cell": (
        atoms("Cs1 Cs 7 -3 1 1", "Cl1 Cl 0.5 -12.5 0.5 1"),
        OK,
    ),
    "text before and after": (CSCL + "\n\n\n#END\n", OK),
    "upper case tags": (CSCL.replace("_cell", "_CELL").replace("_atom", "_ATOM"), OK),
    "quoted values": (CSCL.replace(" Cs 0", " 'Cs' '0'"), OK),
    "charges in the symbols": (CSCL.replace(" Cs ", " Cs1+ "), OK),
    "text that looks like a block": (
        CSCL + "_publ_section_title\n;\ndata_other\n_cell_length_a 3\n;\n",
        OK,
    ),
    "long text": (CSCL + "_note\n;\n" + "x" * 300_000 + "\n;\n", OK),
    "operations instead of a name": (
        HEAD
        + OPS
        + "'x,y,z'\n'x,y+1/2,z+1/2'\n'x+1/2,y,z+1/2'\n'x+1/2,y+1/2,z'\n"
        + LOOP
        + ATOMS,
        ROCK_SALT,
    ),
    "left-handed order of axes": (
        cell(a="3", b="4", c="5"),
        ("CsCl", 2, 60.0),
    ),
    "slab with 100 A of vacuum": (
        cell(c="104.123").replace("Cl 0.5 0.5 0.5", "Cl 0.5 0.5 0.019799"),
        ("CsCl", 2, 4.123**2 * 104.123, 3.5706),
    ),
    "cell of 1,000 A": (
        cell(a="1000", b="1000", c="1000").replace(
            "Cl 0.5 0.5 0.5", "Cl 0.002 0.002 0.002"
        ),
        ("CsCl", 2, 1e9, 3.4641),
    ),
    "hydrogen left out": (
        "data_x\n_chemical_formula_sum 'Cs Cl H2 O'\n"
        + CSCL.split("\n", 1)[1].replace(
            "Cl1 Cl 0.5 0.5 0.5 1", "Cl1 Cl 0.5 0.5 0.5 1\nO1 O 0.5 0.5 0 1"
        ),
        ("CsClO", 3, 4.123**3),
    ),
    "deuterium": (
        atoms("Li1 Li 0 0 0 1", "D1 D 0.5 0.5 0.5 1"),
        ("LiH", 2, 4.123**3),
    ),
    "site without occupancy": (
        CSCL + "K1 K 0.5 0 0 0\n",
        OK,
    ),
    "fields that no crystal needs": (
        CSCL
        + "loop_\n_geom_bond_atom_site_label_1\n_geom_bond_distance\nCs1 3.57(1)\n",
        OK,
    ),
}


@pytest.mark.parametrize("case", RIGHT)
def test_right_crystal(judge, case):
    judge("a.cif", *RIGHT[case])


def test_same_block_twice_keeps_the_first_and_says_so(tmp_path, read):
    (tmp_path / "a.cif").write_text(CSCL + CSCL)
    outcome = read(tmp_path / "a.cif")
    assert [record.id for record in outcome.records] == ["a@NaCl"]
    assert "the id 'a@NaCl' is already used" in outcome.reasons[0]


def test_bad_block_among_good_ones_is_one_reason(tmp_path, read):
    bad = CSCL.replace("data_NaCl", "data_bad").replace("0.5 0.5 0.5", "0.5 0.5 nan")
    parts = [CSCL.replace("data_NaCl", f"data_{k}") for k in "ab"]
    (tmp_path / "a.cif").write_text(parts[0] + bad + parts[1])
    outcome = read(tmp_path / "a.cif")
    assert [record.id for record in outcome.records] == ["a@a", "a@b"]
    (reason,) = outcome.reasons
    assert "block bad: _atom_site_fract_z of atom 2 (Cl1) is 'nan'" in reason


@pytest.mark.parametrize("where", ["folder", "zip"])
def test_blocks_of_a_file_in_a_place_are_all_read(tmp_path, read, where):
    text = "".join(CSCL.replace("data_NaCl", f"data_{k}") for k in "ab")
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "many.cif").write_text(text)
    (folder / "one.cif").write_text(CSCL)
    if where == "zip":
        with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
            for file in folder.iterdir():
                archive.write(file, file.name)
        folder = tmp_path / "in.zip"
    outcome = read(folder)
    assert [record.id for record in outcome.records] == ["many@a", "many@b", "one"]
    assert outcome.reasons == []


@pytest.mark.parametrize(
    ("ending", "compress"),
    [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)],
)
def test_compressed(judge, ending, compress):
    judge(f"a.cif.{ending}", compress(CSCL.encode()), OK)


WRONG = {
    "empty": ("", "the file is empty"),
    "blanks alone": (" \n\t\n", "the file is empty"),
    "truncated before the atoms": (CSCL[:200], "no structure|damaged"),
    "truncated within the atoms": (
        NACL.replace("data_NaCl", "data_x\n_chemical_formula_sum 'Na Cl'").replace(
            "Cl1 Cl 0.5 0.5 0.5 1\n", ""
        ),
        "truncated, or atoms are missing",
    ),
    "truncated within a line": (
        CSCL[:-8],
        "damaged, truncated|no.*number|not a finite",
    ),
    "not UTF-8": (b"# M\xfcller\n" + CSCL.encode(), "not UTF-8 text .line 1"),
    "UTF-16": (CSCL.encode("utf-16"), "not UTF-8 text"),
    "NULs": (b"\0" * 512, "NUL in line 1"),
    "NULs within": (CSCL.replace("Cl1", "Cl\0"), "NUL in line 16"),
    "binary": (bytes(range(256)) * 8, "NUL in line 1"),
    "html": ("<html><body>404 Not Found</body></html>", "no structure"),
    "no cell": (CSCL.replace("_cell_length_c 4.123\n", ""), "no _cell_length_c"),
    "cell of zero": (cell(b="0"), "_cell_length_b is '0', not a number between 0 and"),
    "negative cell": (cell(b="-4.1"), "_cell_length_b is '-4.1'"),
    "infinite cell": (cell(c="inf"), "_cell_length_c is 'inf'"),
    "cell of nan": (cell(c="nan"), "_cell_length_c is 'nan'"),
    "cell as text": (cell(c="long"), "_cell_length_c is 'long'"),
    "cell unknown": (cell(c="?"), r"_cell_length_c is '\?'"),
    "cell beyond everything": (cell(c="1e300"), "_cell_length_c is '1e300'"),
    "cell of 0.1 A": (cell(a="0.1", b="0.1", c="0.1"), "no volume|periodic image"),
    "one axis of 0.1 A": (cell(a="0.1"), "periodic image"),
    "angle of zero": (cell(gamma="0"), "_cell_angle_gamma is '0'"),
    "angle of 180": (cell(gamma="180"), "_cell_angle_gamma is '180'"),
    "angles that close no cell": (
        cell(alpha="30", beta="30", gamma="120"),
        "no volume with the angles 30 30 120",
    ),
    "flat angles": (cell(alpha="60", beta="60", gamma="120"), "no volume"),
    "coordinate nan": (CSCL.replace("0.5 0.5 0.5", "nan 0.5 0.5"), "fract_x of atom 2"),
    "coordinate inf": (CSCL.replace("0.5 0.5 0.5", "0.5 inf 0.5"), "fract_y of atom 2"),
    "coordinate unknown": (CSCL.replace("0.5 0.5 0.5", "? ? ?"), r"is '\?', not a fin"),
    "coordinate not given": (CSCL.replace("0.5 0.5 0.5", ". . ."), "not a finite"),
    "coordinate as text": (CSCL.replace("0.5 0.5 0.5", "a b c"), "not a finite"),
    "coordinate of 1e300": (CSCL.replace("0.5 0.5 0.5", "1e300 0 0"), "not a finite"),
    "comma for a point": (CSCL.replace("0.5 0.5 0.5", "0,5 0.5 0.5"), "is '0,5'"),
    "no atoms": (CSCL[: -len("Cs1 Cs 0 0 0 1\nCl1 Cl 0.5 0.5 0.5 1\n")], "."),
    "dummy atom": (CSCL.replace(" Cl ", " X "), "not a chemical element"),
    "unknown element": (CSCL.replace(" Cl ", " Qq "), "not a chemical element"),
    "vacancy": (CSCL.replace(" Cl ", " Vac "), "not a chemical element"),
    "partial occupancy": (CSCL.replace("0.5 1", "0.5 0.7"), "disordered"),
    "negative occupancy": (CSCL.replace("0.5 1", "0.5 -1"), "occupancy of atom 2"),
    "occupancy above 1": (CSCL.replace("0.5 1", "0.5 1.9"), "more than 1|disordered"),
    "occupancy as text": (CSCL.replace("0.5 1", "0.5 full"), "is 'full'; write 1"),
    "two elements in one place": (
        atoms("Na1 Na 0 0 0 0.5", "K1 K 0 0 0 0.5", "Cl1 Cl 0.5 0.5 0.5 1"),
        "disordered",
    ),
    "two atoms in one place": (
        atoms("Na1 Na 0 0 0 1", "K1 K 0 0 0 1", "Cl1 Cl 0.5 0.5 0.5 1"),
        "add up to more than 1",
    ),
    "atoms 0.3 A apart": (
        atoms("Na1 Na 0 0 0 1", "Na2 Na 0.075 0 0 1", "Cl1 Cl 0.5 0.5 0.5 1"),
        "0.309 A apart",
    ),
    "symmetry against the cell": (
        NACL.replace("_cell_length_a 5.64", "_cell_length_a 7"),
        "does not fit its cell",
    ),
    "operations against the cell": (
        HEAD.replace("_cell_angle_gamma 90", "_cell_angle_gamma 100")
        + OPS
        + "'x,y,z'\n'y,-x,z'\n'-x,-y,z'\n'-y,x,z'\n"
        + LOOP
        + ATOMS,
        "does not fit its cell",
    ),
    "operation that is none": (
        HEAD + OPS + "'x,y,z'\n'x,foo,z'\n" + LOOP + ATOMS,
        ".",
    ),
    "space group that there is not": (
        NACL.replace("'F m -3 m'", "'Q m -3 m'").replace(" 225", " 999"),
        "space group .* is not known",
    ),
    "images of an atom overlap": (
        NACL.replace("Na1 Na 0 0 0", "Na1 Na 0.02 0 0"),
        "apart, less than 0.5|add up to more than 1",
    ),
    "more values than columns": (CSCL + "Na2 Na 0.1\n", "damaged|fract|columns"),
    "loop without values": (HEAD + LOOP, "."),
    "formula against the atoms": (
        CSCL.replace("data_NaCl", "data_x\n_chemical_formula_sum 'Cs2 Cl O4'"),
        "its _chemical_formula_sum is",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_reason(judge, case):
    judge("a.cif", *WRONG[case])


def test_extremely_skewed_cell_keeps_its_volume(judge):
    # The same lattice as a cube, by rows (1 0 0), (7 1 0), (-9 5 1) times 4.123 A.
    text = cell(
        b=4.123 * 50**0.5,
        c=4.123 * 107**0.5,
        alpha=142.46296439953957,
        beta=150.4659427495364,
        gamma=8.130102354156005,
    ).replace("Cl 0.5 0.5 0.5", "Cl 19 -2 0.5")
    judge("a.cif", text, ("CsCl", 2, 4.123**3))


DOUBLE = {
    "cell twice": CSCL.replace("_cell_length_b", "_cell_length_a 9\n_cell_length_b"),
    "atoms twice": CSCL + LOOP + "Na1 Na 0.25 0.25 0.25 1\n",
}


@pytest.mark.parametrize("case", DOUBLE)
def test_tag_given_twice_is_refused(judge, case):
    judge("a.cif", DOUBLE[case], "twice")
