"""The sphere: complete, the same for every cell, and smooth at its edge."""

import numpy as np
import pytest
import torch
from pymatgen.core import Structure

from pyg_sitenet.data.geometry.sphere import sphere_pairs, sphere_radius, taper
from pyg_sitenet.data.graph.encode import encode_structure
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.transforms import MergeEquivalent


def geometry(structure: Structure) -> tuple[np.ndarray, np.ndarray]:
    return np.array(structure.lattice.matrix), np.array(structure.frac_coords)


@pytest.mark.parametrize("max_atoms", [1, 20, 100])
def test_every_atom_within_the_radius_is_seen_once(triclinic, max_atoms):
    cell, frac = geometry(triclinic)
    radius = sphere_radius(cell, len(frac), max_atoms)
    pairs = sphere_pairs(cell, frac, max_atoms)
    for receiver in range(len(frac)):
        neighbours = triclinic.get_sites_in_sphere(triclinic[receiver].coords, radius)
        rows = pairs.receiver == receiver
        expected = np.sort([site.nn_distance for site in neighbours])
        np.testing.assert_allclose(np.sort(pairs.distance[rows]), expected, atol=1e-9)
        vectors = (frac[pairs.sender] + pairs.image - frac[receiver])[rows] @ cell
        lengths = np.linalg.norm(vectors, axis=1)
        np.testing.assert_allclose(lengths, pairs.distance[rows], atol=1e-9)
    assert pairs.is_self.sum() == len(frac)
    assert (pairs.distance[pairs.is_self] == 0).all()


def test_the_sphere_holds_the_atoms_asked_for_on_average(nacl):
    counts = [
        sphere_pairs(*geometry(nacl), number).receiver.size / len(nacl) / number
        for number in range(50, 500, 10)
    ]
    assert np.mean(counts) == pytest.approx(1, abs=0.03)


def test_a_supercell_sees_the_same_without_being_reduced(triclinic):
    large = triclinic.copy()
    large.make_supercell([[1, 1, 0], [0, 2, 0], [1, 0, -1]])
    distances = []
    for crystal in (triclinic, large):
        pairs = sphere_pairs(*geometry(crystal), 100)
        rows = [
            np.sort(pairs.distance[pairs.receiver == receiver])
            for receiver in range(len(crystal))
        ]
        distances.append(sorted(rows, key=lambda row: (len(row), *row.round(6))))
    once, often = distances
    for row, same in zip(np.repeat(np.arange(len(once)), 2), often, strict=True):
        np.testing.assert_allclose(same, once[row], atol=1e-9)


def test_weights_are_one_inside_and_vanish_smoothly_at_the_radius():
    distance = np.linspace(0, 10, 100_001)
    weight = taper(distance, 10)
    assert (weight[distance <= 7.5] == 1).all()
    assert weight[-1] == 0
    slope = np.gradient(weight, distance)
    curvature = np.gradient(slope, distance)
    assert (
        np.abs(np.diff(curvature)).max() < 1e-2
    )  # no jump up to the second derivative
    assert (slope <= 1e-12).all()


def test_predictions_are_continuous_when_atoms_cross_the_edge(nacl):
    torch.manual_seed(0)
    model = SiteNet.from_preset("default").double().eval()
    values = []
    for strain in np.linspace(-0.03, 0.03, 301):  # hundreds of atoms cross
        crystal = nacl.copy()
        crystal.lattice = crystal.lattice.from_parameters(
            *(length * (1 + strain * k) for k, length in enumerate(nacl.lattice.abc)),
            *nacl.lattice.angles,
        )
        data = encode_structure(
            crystal, max_atoms=60, environment="sphere", dtype=torch.float64
        )
        values.append(model(MergeEquivalent()(data)).item())
    steps = np.abs(np.diff(values))
    assert steps.max() < 20 * np.median(steps) + 1e-4


def test_a_large_primitive_cell_needs_no_warning(triclinic):
    data = encode_structure(triclinic, max_atoms=2, environment="sphere")
    assert data.num_edges >= data.num_nodes


def test_the_literal_form_gives_the_same(nacl):
    torch.manual_seed(0)
    model = SiteNet.from_preset("default").eval()
    options = {"max_atoms": 40, "environment": "sphere"}
    torch.testing.assert_close(
        model(encode_structure(nacl, unfold=True, **options)),
        model(encode_structure(nacl, **options)),
    )
