from __future__ import annotations

from pathlib import Path

import pytest
from ase.build import bulk, molecule
from pymatgen.core.structure import Structure

from pyg_sitenet.data.inputs import read_inputs
from pyg_sitenet.data.records import Failure, Record
from pyg_sitenet.errors import StructureError


def test_one_structure_is_not_taken_for_its_sites() -> None:
    for one in (bulk("Si"), Structure.from_ase_atoms(bulk("Si"))):
        (record,) = read_inputs(one, stop=True)
        assert isinstance(record, Record)
        assert len(record.structure) == 2


def test_ids_are_paths_or_positions(tmp_path: Path) -> None:
    path = tmp_path / "si.cif"
    Structure.from_ase_atoms(bulk("Si")).to(filename=str(path))
    records = list(read_inputs([bulk("Cu"), path, str(path)], stop=True))
    assert [one.id for one in records] == ["0", str(path), str(path)]
    assert [one.origin for one in records] == ["structure 0", str(path), str(path)]


def test_inputs_are_read_one_at_a_time() -> None:
    endless = iter(lambda: bulk("Si"), None)
    records = read_inputs(endless, stop=True)
    assert [next(records).id for _ in range(3)] == ["0", "1", "2"]


def test_unusable_input_is_raised_or_yielded() -> None:
    water = molecule("H2O")
    with pytest.raises(StructureError, match="period"):
        list(read_inputs([water], stop=True))
    failure, record = read_inputs([water, bulk("Si")], stop=False)
    assert isinstance(failure, Failure)
    assert (failure.id, failure.stage) == ("0", "read")
    assert isinstance(record, Record)


def test_other_things_are_named() -> None:
    with pytest.raises(TypeError, match=r"`structures` must be a path, .* got float"):
        read_inputs(1.5, stop=True)  # type: ignore[arg-type]
