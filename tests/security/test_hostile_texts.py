"""Long texts, in every place that a pattern reads, take no longer than they are."""

from __future__ import annotations

import time

import pytest

pytestmark = pytest.mark.slow
LENGTH = 50_000
SECONDS = 20
"""For all files of a format; one pattern that looks back takes minutes."""
PATTERNS = {
    "digits": "1" * LENGTH + "x",
    "element": "C" + "1" * LENGTH + "!",
    "signs": "+-" * LENGTH,
    "points": "1." * LENGTH,
    "brackets": "(" * LENGTH,
    "pairs": "Co1" * LENGTH + "o",
    "commas": "x,y+" * LENGTH,
    "spaces": "a" + " " * LENGTH + "a",
    "colons": " :" * LENGTH + "!",
    "equals": "a=" * LENGTH,
    "quotes": "\"'" * LENGTH,
    "letters": "x" * LENGTH,
    "slashes": "1/" * LENGTH,
    "ibrav": "ibrav" * LENGTH,
}
CIF = """data_a
_cell_length_a {length}
_cell_length_b 4
_cell_length_c 4
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_chemical_formula_sum '{formula}'
_space_group_name_H-M_alt '{group}'
_space_group_name_Hall '{hall}'
loop_
_space_group_symop_operation_xyz
x,y,z
'{operation}'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
_atom_site_Wyckoff_symbol
{label} {symbol} {place} 0 0 {occupancy} {wyckoff}
"""
PLAIN = {
    "length": "4", "formula": "Cs", "group": "P 1", "hall": "P 1", "label": "Cs1",
    "operation": "x,y,z", "symbol": "Cs", "place": "0", "occupancy": "1",
    "wyckoff": "a",
}  # fmt: skip
OTHERS = {
    ".vasp": "{0}\n1\n4 0 0\n0 4 0\n0 0 4\n{1}\n1\nDirect\n0 0 0 {2}\n",
    ".xyz": '1\nLattice="4 0 0 0 4 0 0 0 4" {0}\n{1} 0 0 0 {2}\n',
    ".cell": "%BLOCK LATTICE_CART\n4 0 0\n0 4 0\n0 0 4 {0}\n%ENDBLOCK {1}\n{2}\n",
    ".pwi": "&SYSTEM\n{0}\n/\nATOMIC_POSITIONS {1}\nCs 0 0 0\n{2}\n",
    ".pwo": "{0}\n{1}\n{2}\n",
    ".xsf": "CRYSTAL\nPRIMVEC\n{0}\n{1}\nPRIMCOORD\n{2}\n",
    ".lammpstrj": "ITEM: TIMESTEP\n{0}\nITEM: NUMBER OF ATOMS\n1\nITEM: {1}\n{2}\n",
    ".yaml": "{0}: {1}\n{2}: 1\n",
    ".mson": '{{"lattice": "{0}", "sites": "{1}", "{2}": 1}}',
    ".csv": "id,{0} [eV],structure\n{1},1,{2}\n",
    ".jsonl": '{{"id": "{0}", "structure": "{1}", "unit": "{2}"}}',
}


def bare(pattern):
    """Return a text that can stand in a CIF without quotes."""
    return PATTERNS[pattern].replace(" ", "_").replace("'", "_").replace('"', "_")


@pytest.mark.parametrize("field", PLAIN)
def test_long_values_of_a_cif_are_read_in_no_time(tmp_path, good, in_child, field):
    folder = tmp_path / "in"
    folder.mkdir()
    good.rename(folder / "good.cif")
    for name in PATTERNS:
        quoted = "{" + field + "}'" in CIF
        value = PATTERNS[name].replace("'", "_") if quoted else bare(name)
        text = CIF.format(**PLAIN | {field: value})
        (folder / f"{name}.cif").write_text(text)
    assert_in_time(in_child, folder)


@pytest.mark.parametrize("ending", OTHERS)
def test_long_values_of_other_files_are_read_in_no_time(
    tmp_path, good, in_child, ending
):
    paths = [good]
    for name, pattern in PATTERNS.items():
        for place in range(3):
            values = ["a", "a", "a"]
            values[place] = pattern
            paths.append(tmp_path / f"{name}{place}{ending}")
            paths[-1].write_text(OTHERS[ending].format(*values))
    assert_in_time(in_child, *paths)


def assert_in_time(in_child, *paths):
    start = time.monotonic()
    words = ("predict", "band-gap", *paths, "--json", "--workers", 1)
    done = in_child(*words, seconds=10 * SECONDS)
    assert done.exit_code == 0, (done.exit_code, done.stderr)
    assert '"id": "good"' in done.stdout
    assert time.monotonic() - start < 5 * SECONDS
