from __future__ import annotations

from itertools import islice

import pytest
from pymatgen.core import Lattice, Structure
from torch_geometric.data import Data

from pyg_sitenet import encode_structure
from pyg_sitenet.config import Config
from pyg_sitenet.data.records import Record
from pyg_sitenet.data.sources import open_source
from pyg_sitenet.domain import measure_domain
from pyg_sitenet.model_file import ModelDescription
from pyg_sitenet.prediction.out_of_domain import OutOfDomain


def _encode(structure: Structure) -> Data:
    return encode_structure(structure, max_atoms=30, environment="sphere")


def _trained_on(*structures: Structure) -> OutOfDomain:
    graphs = [_encode(item) for item in structures]
    return OutOfDomain(
        ModelDescription(
            config=Config(),
            targets=("gap",),
            units={"gap": "eV"},
            elements=tuple({z for graph in graphs for z in graph.z.tolist()}),
            target_ranges={"gap": (0.0, 8.0)},
            domain=measure_domain(graphs),
        )
    )


def test_training_crystals_are_never_warned_about() -> None:
    records = islice(iter(open_source("dielectric")), 60)
    crystals = [record.structure for record in records if isinstance(record, Record)]
    domain = _trained_on(*crystals)
    for crystal in crystals:
        assert domain.of_crystal(_encode(crystal)) == ()
        # Another setting of the same crystal is no other crystal.
        doubled = crystal.make_supercell([[1, 1, 0], [0, 1, 0], [0, 0, 2]], False)
        assert domain.of_crystal(_encode(doubled)) == ()


def test_elements_never_seen_are_named(nacl: Structure, cscl: Structure) -> None:
    texts = _trained_on(nacl).of_crystal(_encode(cscl))
    assert "the model has never seen Cs in training" in texts


def test_cells_larger_than_any_seen_are_warned_about(
    nacl: Structure, triclinic: Structure
) -> None:
    (text, *_) = _trained_on(nacl).of_crystal(_encode(triclinic))[1:]
    assert text == "primitive cell of 32 atoms, training had 2"


def test_packing_other_than_any_seen_is_warned_about(nacl: Structure) -> None:
    dense = Structure(nacl.lattice.scale(100), nacl.species, nacl.frac_coords)
    assert _trained_on(nacl).of_crystal(_encode(dense)) == (
        "12.5 A^3 per atom, training had 22.4",
        "nearest atoms 2.32 A apart, training had 2.82",
    )


def test_close_atoms_in_a_cell_of_common_size_are_warned_about() -> None:
    def salt(x: float) -> Structure:
        return Structure(Lattice.cubic(4), ["Na", "Cl"], [[0, 0, 0], [x, 0.5, 0.5]])

    texts = _trained_on(salt(0.5), salt(0.4)).of_crystal(_encode(salt(0.2)))
    assert texts == ("nearest atoms 2.94 A apart, training had 3.25 to 3.46",)


def test_oxidation_states_beyond_those_seen_are_warned_about(
    nacl: Structure,
) -> None:
    ions = nacl.copy()
    ions.add_oxidation_state_by_element({"Na": 1, "Cl": -1})
    assert _trained_on(nacl).of_crystal(_encode(ions)) == (
        "oxidation states -1 to 1, training had none",
    )
    assert _trained_on(ions).of_crystal(_encode(nacl)) == (
        "no oxidation states, which all training crystals had",
    )
    assert _trained_on(ions, nacl).of_crystal(_encode(nacl)) == ()
    odd = nacl.copy()
    odd.add_oxidation_state_by_element({"Na": 1, "Cl": -3})
    assert _trained_on(ions).of_crystal(_encode(odd)) == (
        "oxidation states -3 to 1, training had -1 to 1",
    )


@pytest.mark.parametrize(
    ("value", "is_outside"), [(-0.3, False), (8.3, False), (-0.5, True), (9.0, True)]
)
def test_values_far_from_those_of_training_are_warned_about(
    value: float, is_outside: bool, nacl: Structure
) -> None:
    texts = _trained_on(nacl).of_values({"gap": value})
    assert bool(texts) == is_outside
    if is_outside:
        assert texts == (
            f"gap of {value:.4g} eV is outside the training values, 0 to 8",
        )


def test_file_without_these_records_warns_of_nothing(nacl: Structure) -> None:
    old = OutOfDomain(ModelDescription(config=Config(), targets=("gap",)))
    assert old.of_crystal(_encode(nacl)) == old.of_values({"gap": 99.0}) == ()
