from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from pymatgen.core import Lattice
from pymatgen.core.structure import IStructure, Molecule, Structure

from pyg_sitenet.data.readers.objects import read_inputs
from pyg_sitenet.data.records import Failure, Record


def test_one_structure_is_not_taken_for_its_sites() -> None:
    structure = Structure.from_ase_atoms(bulk("Si"))
    for item in (bulk("Si"), structure, IStructure.from_sites(list(structure))):
        (entry,) = read_inputs(item)
        record = entry.read()
        assert isinstance(record, Record)
        assert len(record.structure) == 2


@pytest.mark.filterwarnings("ignore:Structure charge")
@pytest.mark.parametrize("kind", [Structure, IStructure])
def test_copies_keep_what_a_structure_says_of_itself(kind: type[IStructure]) -> None:
    cell = Lattice.cubic(4.123)
    given = kind(
        cell,
        ["Cs+", "Cl-"],
        [[0, 0, 0], [0.5, 0.5, 0.5]],
        charge=1,
        site_properties={"magmom": [1.0, 2.0]},
        labels=["Cs1", "Cl2"],
        properties={"source": "a"},
    )
    (entry,) = read_inputs(given)
    copy = entry.content
    assert type(copy) is Structure
    assert copy is not given
    assert copy.as_dict() == {**given.as_dict(), "@class": "Structure"}
    assert (copy.charge, copy.labels) == (1, ["Cs1", "Cl2"])


def test_ids_are_paths_or_positions(tmp_path: Path) -> None:
    path = tmp_path / "si.cif"
    Structure.from_ase_atoms(bulk("Si")).to(filename=str(path))
    entries = list(read_inputs([bulk("Cu"), path, str(path)]))
    assert [item.id for item in entries] == ["0", str(path), str(path)]
    assert [item.origin for item in entries] == ["structure 0", str(path), str(path)]
    assert all(isinstance(item.read(), Record) for item in entries)


def test_a_dictionary_is_one_structure() -> None:
    structure = Structure.from_ase_atoms(bulk("Si"))
    (entry,) = read_inputs(structure.as_dict())
    record = entry.read()
    assert isinstance(record, Record)
    assert len(record.structure) == 2


def test_text_of_a_file_is_no_path() -> None:
    structure = Structure.from_ase_atoms(bulk("Si"))
    for text in (structure.to(fmt="cif"), structure.to(fmt="poscar"), "a" * 5000):
        (entry,) = read_inputs(text)
        failure = entry.read()
        assert isinstance(failure, Failure)
        assert "the path of a file is expected, got a text" in failure.reason
        assert len(failure.reason) < 200


def test_inputs_are_taken_one_at_a_time() -> None:
    endless = iter(lambda: bulk("Si"), None)
    entries = read_inputs(endless)
    assert [next(entries).id for _ in range(3)] == ["0", "1", "2"]


def test_atoms_may_be_moved_afterwards_and_lose_their_calculator() -> None:
    atoms = bulk("Cu")
    atoms.calc = EMT()
    (entry,) = read_inputs([atoms])
    atoms.set_cell(2 * atoms.cell)
    record = entry.read()
    assert isinstance(record, Record)
    assert record.structure.volume == pytest.approx(bulk("Cu").get_volume())
    assert entry.content.calc is None  # type: ignore[union-attr]


def test_unusable_input_is_a_failure_when_it_is_read() -> None:
    failure = next(read_inputs([molecule("H2O"), bulk("Si")])).read()
    assert isinstance(failure, Failure)
    assert (failure.id, failure.stage) == ("0", "read")
    assert "period" in failure.reason


def test_other_things_are_named() -> None:
    for item in (1.5, b"data_NaCl"):
        kind = type(item).__name__
        with pytest.raises(TypeError, match=rf"`structures` must be .* got {kind}"):
            read_inputs(item)  # type: ignore[arg-type]
    table = pd.DataFrame({"structure": [bulk("Si")]})
    with pytest.raises(TypeError, match=r"a table; give one column of it, as table\["):
        read_inputs(table)
    (entry,) = read_inputs([1.5])  # type: ignore[list-item]
    failure = entry.read()
    assert isinstance(failure, Failure)
    assert "expected a pymatgen Structure" in failure.reason


def test_molecule_is_one_input_and_no_list_of_sites() -> None:
    hydrogen = Molecule(["H", "H"], [[0, 0, 0], [0, 0, 0.74]])
    (entry,) = read_inputs(hydrogen)  # type: ignore[arg-type]
    failure = entry.read()
    assert isinstance(failure, Failure)
    assert "H2: a molecule without periodicity" in failure.reason
