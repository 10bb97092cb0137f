import ase.db
import pytest
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from pyg_sitenet.data.records import Failure, Record
from pyg_sitenet.data.sources import open_source
from pyg_sitenet.errors import DataError


@pytest.fixture
def frames(structures):
    frames = []
    for k, structure in enumerate(structures.values()):
        atoms = structure.to_ase_atoms()
        atoms.info = {"gap": 7.0 + k, "note": "relaxed"}
        atoms.calc = SinglePointCalculator(atoms, energy=-1.0 * k)
        frames.append(atoms)
    return frames


@pytest.mark.parametrize("ending", ["extxyz", "xyz"])
def test_frames_of_a_trajectory_carry_their_targets(tmp_path, frames, ending):
    path = tmp_path / f"md.{ending}"
    write(path, frames, format="extxyz")
    source = open_source(path, ["gap", "energy"])
    records = list(source)
    assert [record.id for record in records] == ["md@0", "md@1", "md@2"]
    assert [record.targets["gap"] for record in records] == [7.0, 8.0, 9.0]
    assert [record.targets["energy"] for record in records] == [0.0, -1.0, -2.0]
    assert [len(record.structure) for record in records] == [8, 8, 8]
    assert set(source.available) >= {"gap", "energy"}
    assert "note" not in source.available


def test_underlines_make_no_number_of_a_frame(tmp_path, frames):
    path = tmp_path / "md.xyz"
    write(path, frames, format="extxyz")
    text = path.read_text().replace("gap=7.0", "gap=1_10").replace("-2.0", "-2_0")
    path.write_text(text)
    gaps, energies = (list(open_source(path, [name])) for name in ("gap", "energy"))
    assert gaps[0].reason == "the target 'gap' is not a number: '1_10'"
    assert [record.targets["gap"] for record in gaps[1:]] == [8.0, 9.0]
    assert energies[2].reason == "the target 'energy' is not a number: '-2_0'"


@pytest.mark.parametrize("value", ['"7,5"', "7,5", "'-7,25'"])
def test_a_decimal_comma_in_a_frame_is_no_gap(tmp_path, frames, value):
    path = tmp_path / "md.xyz"
    write(path, frames, format="extxyz")
    path.write_text(path.read_text().replace("gap=7.0", f"gap={value}"))
    first, *others = open_source(path, ["gap"])
    number = value.strip("\"'")
    assert first.reason == (
        f"the target 'gap' is not a number: '{number}'; write all numbers of the column"
        " like 1234.5"
    )
    assert [record.targets["gap"] for record in others] == [8.0, 9.0]


def test_frames_of_an_ase_trajectory_file(tmp_path, frames):
    write(tmp_path / "md.traj", frames)
    records = list(open_source(tmp_path / "md.traj", ["energy"]))
    assert [record.targets for record in records] == [
        {"energy": -0.0},
        {"energy": -1.0},
        {"energy": -2.0},
    ]


@pytest.mark.parametrize("name", ["set.db", "set.json"])
def test_rows_of_an_ase_database_carry_their_targets(tmp_path, frames, name):
    with ase.db.connect(tmp_path / name) as database:
        for k, atoms in enumerate(frames):
            database.write(atoms, gap=7.5 + k, material_id=f"mp-{k}x")
    source = open_source(tmp_path / name, ["gap"])
    records = list(source)
    assert [record.id for record in records] == ["mp-0x", "mp-1x", "mp-2x"]
    assert [record.targets for record in records] == [
        {"gap": 7.5},
        {"gap": 8.5},
        {"gap": 9.5},
    ]
    assert records[0].origin == f"{tmp_path / name}, row 1"
    assert "energy" in source.available


def test_the_only_structure_of_a_file_is_named_after_it(tmp_path, frames):
    write(tmp_path / "slab.xyz", frames[0], format="extxyz")
    write(tmp_path / "NaCl.cif", frames[0])
    assert [r.id for r in open_source(tmp_path / "slab.xyz")] == ["slab"]
    assert [r.id for r in open_source(tmp_path / "NaCl.cif")] == ["NaCl"]


def test_frame_without_target_is_one_failure(tmp_path, frames):
    del frames[1].info["gap"]
    write(tmp_path / "md.extxyz", frames)
    first, second, third = open_source(tmp_path / "md.extxyz", ["gap"])
    assert isinstance(first, Record)
    assert isinstance(third, Record)
    assert isinstance(second, Failure)
    assert second.reason == "the target 'gap' is missing"
    assert second.origin.endswith("md.extxyz, frame 1")


def test_molecule_among_the_frames_is_one_failure(tmp_path, frames):
    frames[1].pbc = False
    write(tmp_path / "md.extxyz", frames)
    kinds = [type(item) for item in open_source(tmp_path / "md.extxyz")]
    assert kinds == [Record, Failure, Record]


def test_frames_before_the_damage_are_kept(tmp_path, frames):
    path = tmp_path / "md.extxyz"
    write(path, frames)
    text = path.read_text()
    path.write_text(text[: text.rindex("Li ") + 4])
    *records, failure = open_source(path)
    assert [record.id for record in records] == ["md@0", "md@1"]
    assert isinstance(failure, Failure)
    assert failure.stage == "read"
    assert "md.extxyz" in failure.reason


def test_unknown_target_names_the_values_of_the_frames(tmp_path, frames):
    write(tmp_path / "md.extxyz", frames)
    message = r"no target 'gpa', did you mean 'gap'\? \(available: .*gap"
    with pytest.raises(DataError, match=message):
        open_source(tmp_path / "md.extxyz", ["gpa"])


def test_structure_file_has_no_targets(folder):
    with pytest.raises(DataError, match=r"no target 'gap' \(available: none\)"):
        open_source(folder / "NaCl.cif", ["gap"])


def test_file_of_no_known_format_is_a_failure(tmp_path):
    (tmp_path / "notes.bin").write_bytes(bytes(range(256)))
    (failure,) = open_source(tmp_path / "notes.bin")
    assert isinstance(failure, Failure)
    assert "notes.bin" in failure.reason
    with pytest.raises(DataError, match=r"notes\.bin"):
        open_source(tmp_path / "notes.bin", ["gap"])


def test_blocks_of_a_cif_are_structures_of_their_own(folder):
    path = folder / "both.cif"
    path.write_text(
        (folder / "NaCl.cif").read_text() + (folder / "MgO.cif").read_text()
    )
    records = list(open_source(path))
    assert [r.structure.composition.reduced_formula for r in records] == ["NaCl", "MgO"]
    assert len({record.id for record in records}) == 2


def test_value_of_late_frames_alone_is_found(tmp_path, frames):
    path, bare = tmp_path / "md.extxyz", frames[0].copy()
    bare.info = {}
    write(path, [bare] * 101 + frames, format="extxyz")
    source = open_source(path, ["gap"])
    values = [r.targets["gap"] for r in source if isinstance(r, Record)]
    assert values == [7.0, 8.0, 9.0]


def test_text_that_frames_carry_is_no_missing_target(tmp_path, frames):
    for atoms in frames:
        atoms.info["gap"] = str(atoms.info["gap"]).replace(".", ",") + " eV"
    write(tmp_path / "md.extxyz", frames, format="extxyz")
    message = r"the target 'gap' holds text, no numbers; .* data\.classes=\{gap: \[\]\}"
    with pytest.raises(DataError, match=message):
        open_source(tmp_path / "md.extxyz", ["gap"])


def _write_frames(path, frames):
    if path.suffix in (".db", ".json"):
        with ase.db.connect(path) as database:
            for atoms in frames:
                database.write(atoms, **atoms.info)
    else:
        write(path, frames)


def _with_units(structures, units, key):
    """Return frames with a gap of 7.5, 8.5, ... each in a unit; of "" none is said."""
    frames = []
    for k, (structure, unit) in enumerate(zip(structures.values(), units, strict=True)):
        atoms = structure.to_ase_atoms()
        atoms.info = {"gap": 7.5 + k} | ({key: unit} if unit else {})
        frames.append(atoms)
    return frames


FILES = ["md.extxyz", "md.traj", "set.db", "set.json"]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("key", ["gap_unit", "Gap_units"])
def test_values_of_frames_are_converted_to_one_unit(tmp_path, structures, name, key):
    path = tmp_path / name
    _write_frames(path, _with_units(structures, ("meV", "eV", ""), key))
    source = open_source(path, ["gap"])
    assert [r.targets["gap"] for r in source] == pytest.approx([7.5, 8500, 9.5])
    assert (source.units, source.available) == ({"gap": "meV"}, ("gap",))
    assert source.notes == ["gap: 1 row states no unit, taken as meV"]
    source = open_source(path, ["gap"], units={"gap": "eV"})
    assert [r.targets["gap"] for r in source] == pytest.approx([0.0075, 8.5, 0.0095])
    assert source.units == {"gap": "eV"}
    assert source.notes[1] == "gap: stated in meV, converted to eV"


@pytest.mark.parametrize("name", FILES)
def test_frame_in_another_kind_of_unit_is_a_failure(tmp_path, structures, name):
    path = tmp_path / name
    _write_frames(path, _with_units(structures, ("eV", "eV/atom", "foo"), "gap_unit"))
    record, *failures = open_source(path, ["gap"])
    assert record.targets == {"gap": 7.5}
    assert [failure.reason for failure in failures] == [
        f"the target 'gap' is in {unit!r}, elsewhere in 'eV', and no conversion between"
        " them is known"
        for unit in ("eV/atom", "foo")
    ]
    message = "'gap' is in 'eV', asked for in 'GPa', and no conversion between them"
    with pytest.raises(DataError, match=message):
        open_source(path, ["gap"], units={"gap": "GPa"})


def test_unit_that_late_frames_alone_state_is_heeded(tmp_path, structures):
    path, frames = tmp_path / "md.extxyz", _with_units(structures, "xxx", "gap_unit")
    del frames[0].info["gap_unit"]
    frames[2].info["gap_unit"] = "meV"
    write(path, frames[:1] * 150 + frames[2:])
    values = [r.targets["gap"] for r in open_source(path, ["gap"], units={"gap": "eV"})]
    assert values == pytest.approx([7.5] * 150 + [0.0095])
    *records, failure = open_source(path, ["gap"])
    assert [record.targets["gap"] for record in records] == [7.5] * 150
    assert failure.reason == (
        "the target 'gap' is in 'meV', elsewhere without a unit, and no conversion"
        " between them is known"
    )


def test_frames_are_all_looked_at_where_the_first_state_units(tmp_path, structures):
    path = tmp_path / "md.extxyz"
    frames = _with_units(structures, ("foo", "eV", "meV"), "gap_unit")
    write(path, frames[:1] * 150 + frames[1:])
    *failures, first, second = open_source(path, ["gap"])
    assert {failure.reason for failure in failures} == {
        "the target 'gap' is in 'foo', elsewhere in 'eV', and no conversion between"
        " them is known"
    }
    assert [r.targets["gap"] for r in (first, second)] == [8.5, 0.0095]


def test_no_more_frames_are_looked_at_than_are_needed(tmp_path, frames):
    path = tmp_path / "md.extxyz"
    frames[0].info["units"] = "metal"
    write(path, frames[:1] * 101 + frames[1:2], format="extxyz")
    path.write_text(path.read_text().replace("gap=8.0", "late=8.0"))
    assert "late" not in open_source(path, ["gap"]).available
    assert "late" in open_source(path, ["late"]).available


def test_text_that_is_no_unit_is_ignored_and_told(tmp_path, structures):
    path = tmp_path / "md.extxyz"
    write(path, _with_units(structures, ("metal", "", "cell_1"), "gap_unit"))
    for units in ({}, {"gap": "eV"}):
        source = open_source(path, ["gap"], units=units)
        assert [record.targets["gap"] for record in source] == [7.5, 8.5, 9.5]
        assert source.units == {}
        assert source.notes == [
            "gap: 'metal' in 'gap_unit' is no unit that is known and is ignored; if one"
            " is meant, correct it or set data.units"
        ]


@pytest.mark.parametrize("key", ["unit", "units"])
@pytest.mark.parametrize("text", ["angstrom", "metal", "cell_1", "meV"])
def test_bare_unit_of_frames_is_that_of_no_value(tmp_path, structures, key, text):
    path = tmp_path / "md.extxyz"
    write(path, _with_units(structures, (text, text, ""), key))
    for units in ({}, {"gap": "eV"}):
        source = open_source(path, ["gap"], units=units)
        assert [record.targets["gap"] for record in source] == [7.5, 8.5, 9.5]
        assert source.units == {}


def test_unit_beside_several_values_of_frames_is_not_used(tmp_path, frames):
    for atoms in frames:
        atoms.info["unit"] = "meV"
    write(tmp_path / "md.extxyz", frames)
    source = open_source(tmp_path / "md.extxyz", ["gap"])
    assert [record.targets["gap"] for record in source] == [7.0, 8.0, 9.0]
    (note,) = source.notes
    assert note.startswith(
        "gap: the column 'unit' is not used, since it may be that of"
    )
