"""Small changes of a crystal are seen, and none is seen as a jump."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from pymatgen.core import Lattice, Structure
from torch_geometric.data import Batch

from pyg_sitenet import encode_structure
from pyg_sitenet.config import DataConfig, ModelConfig
from pyg_sitenet.data.geometry.primitive import to_primitive
from pyg_sitenet.data.records import Record
from pyg_sitenet.data.sources import open_source
from pyg_sitenet.errors import SiteNetWarning
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.transforms import MergeEquivalent

STEPS = 40


@pytest.fixture(scope="module")
def model() -> SiteNet:
    torch.manual_seed(0)
    sizes = {"heads": 2, "attention_hidden": (8,), "pre_pool": (8,), "post_pool": (8,)}
    return SiteNet(ModelConfig(radial_basis=8, **sizes)).double().eval()


def _breathing(u: float) -> Structure:
    """BaBiO3 with the octahedra of its two kinds of Bi apart by twice u, angstrom."""
    a = 4.35
    ideal = Structure.from_spacegroup(
        "Pm-3m", Lattice.cubic(a), ["Ba", "Bi", "O"],
        [[0.5, 0.5, 0.5], [0, 0, 0], [0.5, 0, 0]],
    )  # fmt: skip
    ideal.make_supercell([[0, 1, 1], [1, 0, 1], [1, 1, 0]])
    (centre, _) = [k for k, site in enumerate(ideal) if site.specie.symbol == "Bi"]
    for k, site in enumerate(ideal):
        if site.specie.symbol != "O":
            continue
        distance, image = site.distance_and_image(ideal[centre])
        target = ideal[centre].frac_coords + image
        if distance < 0.51 * a:
            step = (ideal.lattice.get_cartesian_coords(target) - site.coords) / distance
            ideal.translate_sites([k], u * step, frac_coords=False)
    return ideal


@pytest.mark.parametrize("merge", [False, True])
def test_prediction_has_no_jump_while_an_atom_moves(model, nacl, merge):
    direction = np.array([1.0, 0.3, 0.1]) / np.linalg.norm([1.0, 0.3, 0.1])
    values = []
    for step in range(STEPS + 1):
        moved = nacl.copy()
        moved.translate_sites([0], 0.2 * step / STEPS * direction, frac_coords=False)
        data = encode_structure(
            moved, max_atoms=50, environment="sphere", dtype=torch.float64
        )
        data = MergeEquivalent()(data) if merge else data
        with torch.no_grad():
            values.append(model(Batch.from_data_list([data])).item())
    changes = np.abs(np.diff(values))
    assert changes[0] > 0
    beside = np.maximum(np.append(changes[1:], 0), np.append(0, changes[:-1]))
    assert (changes <= 1.5 * beside).all(), changes / beside


def test_breathing_distortion_is_seen():
    assert len(to_primitive(_breathing(0.0))) == 5
    assert len(to_primitive(_breathing(0.02))) == 10


def test_model_that_averages_a_distortion_says_so():
    message = r"10 sites are averaged to 5: with data\.primitive_tolerance = 0\.1 A "
    with pytest.warns(SiteNetWarning, match=message):
        encode_structure(_breathing(0.02), max_atoms=20, primitive_tolerance=0.1)
    encode_structure(_breathing(0.0), max_atoms=20, primitive_tolerance=0.1)


def test_moved_atom_of_a_supercell_is_seen(nacl):
    supercell = nacl.copy()
    supercell.make_supercell([2, 2, 2])
    supercell.translate_sites([0], [0.05, 0, 0], frac_coords=False)
    assert len(to_primitive(supercell)) == 64


@pytest.mark.parametrize("decimals", [4, 6])
def test_rounded_coordinates_have_the_primitive_cell_of_exact_ones(decimals):
    """Of written coordinates in a cell of three: copies differ by their rounding."""
    records = itertools.islice(open_source("dielectric"), 24)
    result, total = 0, 0
    for record in records:
        assert isinstance(record, Record)
        structure = record.structure
        if len(structure) > 15:
            continue
        expected = len(to_primitive(structure))
        structure.make_supercell([[1, 1, 0], [0, 1, 0], [0, 0, 3]])
        shifted = structure.frac_coords + np.array([0.1234567, 0.2345678, 0.3456789])
        rounded = Structure(
            structure.lattice, structure.species, np.round(shifted, decimals)
        )
        result += len(to_primitive(rounded)) == expected
        total += 1
    assert total > 10
    assert result >= 0.95 * total


def test_default_is_the_same_everywhere(nacl):
    tolerance = DataConfig().primitive_tolerance
    nacl.translate_sites([0], [0.9 * tolerance, 0, 0], frac_coords=False)
    assert len(to_primitive(nacl)) == len(to_primitive(nacl, tolerance)) == 2
    assert len(encode_structure(nacl, max_atoms=8).z) == 2
    nacl.translate_sites([0], [0.2 * tolerance, 0, 0], frac_coords=False)
    assert len(to_primitive(nacl)) == len(to_primitive(nacl, tolerance)) == 8
    assert len(encode_structure(nacl, max_atoms=8).z) == 8
