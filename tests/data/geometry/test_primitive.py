"""One cell for every setting, and no distortion lost on the way."""

from __future__ import annotations

import math
from itertools import islice

import numpy as np
import pytest
import spglib
from pymatgen.core import Lattice, Species, Structure

from pyg_sitenet.data.geometry.primitive import to_primitive
from pyg_sitenet.data.geometry.supercell import supercell_pairs
from pyg_sitenet.data.sources import open_source

CRYSTALS = [
    "nacl",
    "silicon",
    "cscl",
    "iron",
    "rutile",
    "quartz",
    "vo2_m1",
    "srtio3_tilted",
    "triclinic",
]


def distances(structure, max_atoms=100):
    """Return all pair distances of a primitive structure, in order."""
    cell = np.array(structure.lattice.matrix)
    frac = np.array(structure.frac_coords)
    return np.sort(supercell_pairs(cell, frac, max_atoms).distance)


def resettle(structure, rng, repeats=(1, 1, 1), matrix=None):
    """Return the same crystal rotated, shifted, shuffled and in another cell."""
    if matrix is None:
        while True:
            matrix = rng.integers(-2, 3, (3, 3))
            if abs(round(np.linalg.det(matrix))) == 1:
                break
    large = structure * repeats
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    cell = matrix @ large.lattice.matrix
    frac = large.frac_coords @ np.linalg.inv(matrix) + rng.normal(size=3) * 3
    order = rng.permutation(len(large))
    species = [large[int(k)].specie for k in order]
    return Structure(Lattice(cell @ rotation), species, frac[order])


@pytest.mark.parametrize(
    ("name", "sites"),
    list(zip(CRYSTALS, (2, 2, 2, 1, 6, 9, 12, 10, 32), strict=True)),
)
def test_cell_is_primitive(name, sites, request):
    assert len(to_primitive(request.getfixturevalue(name))) == sites


@pytest.mark.parametrize("name", CRYSTALS)
@pytest.mark.parametrize("seed", range(6))
def test_every_setting_gives_the_same_cell_and_distances(name, seed, request):
    structure = request.getfixturevalue(name)
    rng = np.random.default_rng(seed)
    repeats = [(1, 1, 1), (2, 1, 1), (1, 2, 2)][seed % 3]
    first = to_primitive(structure)
    second = to_primitive(resettle(structure, rng, repeats))
    metrics = [s.lattice.matrix @ s.lattice.matrix.T for s in (first, second)]
    assert np.allclose(*metrics, atol=1e-6)
    assert np.allclose(distances(first), distances(second), atol=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_a_skewed_left_handed_cell_changes_nothing(triclinic, seed):
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.integers(-12, 13, (3, 3)), 1) + np.diag([1, 1, -1])
    lower = np.tril(rng.integers(-12, 13, (3, 3)), -1) + np.eye(3, dtype=int)
    skewed = resettle(triclinic, rng, matrix=upper @ lower)
    expected = distances(to_primitive(triclinic))
    assert np.allclose(distances(to_primitive(skewed)), expected, atol=1e-6)


def test_a_lattice_more_symmetric_than_its_crystal_has_one_setting():
    # A polar perovskite in a metrically cubic cell: the polar axis is told by the
    # atoms alone, and the 3 x 3 x 2 supercell must always lie the same way to it.
    sites = [[0, 0, 0], [0.5, 0.5, 0.53], [0.5, 0.5, 0], [0.5, 0, 0.46], [0, 0.5, 0.46]]
    polar = Structure(Lattice.cubic(4), ["Ba", "Ti", "O", "O", "O"], sites)
    expected = distances(to_primitive(polar))
    for axes in ([2, 0, 1], [1, 2, 0], [1, 0, 2]):
        turned = Structure(
            Lattice.cubic(4), polar.species, polar.frac_coords[:, axes] + 0.1
        )
        assert np.allclose(distances(to_primitive(turned)), expected, atol=1e-6)


@pytest.mark.parametrize("noise", [1e-7, 1e-6, 5e-6])
@pytest.mark.parametrize("name", ["nacl", "silicon", "iron", "quartz", "srtio3_tilted"])
def test_rounded_input_does_not_jump_to_another_supercell(name, noise, request):
    structure = request.getfixturevalue(name)
    rng = np.random.default_rng(0)
    noisy = Structure(
        structure.lattice.matrix + rng.normal(size=(3, 3)) * noise,
        structure.species,
        structure.frac_coords + rng.normal(size=(len(structure), 3)) * noise,
    )
    expected = distances(to_primitive(structure))
    result = distances(to_primitive(noisy))
    assert np.abs(result - expected).max() < 300 * noise


def test_vanadium_pairs_of_vo2_survive(vo2_m1):
    primitive = to_primitive(vo2_m1)
    assert len(primitive) == 12
    vanadium = [k for k, site in enumerate(primitive) if site.specie.symbol == "V"]
    neighbours = primitive.get_neighbors(primitive[vanadium[0]], 3.3)
    lengths = sorted(n.nn_distance for n in neighbours if n.specie.symbol == "V")
    assert lengths == pytest.approx([2.62, 3.17], abs=0.01)


def test_vanadium_pairs_vanish_at_a_wide_tolerance(vo2_m1):
    assert len(to_primitive(vo2_m1, tolerance=0.5)) == 6


def test_octahedral_tilts_survive(srtio3_tilted):
    primitive = to_primitive(srtio3_tilted)
    assert len(primitive) == 10
    angles = []
    for oxygen in (site for site in primitive if site.specie.symbol == "O"):
        first, second = (
            neighbour.coords - oxygen.coords
            for neighbour in primitive.get_neighbors(oxygen, 2.1)
            if neighbour.specie.symbol == "Ti"
        )
        cosine = first @ second / np.linalg.norm(first) / np.linalg.norm(second)
        angles.append(math.degrees(math.acos(max(cosine, -1))))
    assert sorted(angles) == pytest.approx([164] * 4 + [180] * 2, abs=1e-4)
    assert np.allclose(distances(primitive), distances(to_primitive(srtio3_tilted * 2)))


def test_oxidation_states_tell_sites_apart(cscl):
    metal = Structure(Lattice.cubic(2.8665), ["Fe", "Fe"], cscl.frac_coords)
    assert len(to_primitive(metal)) == 1
    charges = Structure(
        metal.lattice, [Species("Fe", 2), Species("Fe", 3)], cscl.frac_coords
    )
    assert len(to_primitive(charges)) == 2
    equal = Structure(
        metal.lattice, [Species("Fe", 2), Species("Fe", 2)], cscl.frac_coords
    )
    assert [site.specie.oxi_state for site in to_primitive(equal)] == [2]


def test_a_slow_modulation_is_not_merged_step_by_step():
    # Neighbours differ by at most 0.1 A, the crest and the trough by 0.5 A.
    steps = np.arange(16)
    height = 0.25 * np.sin(2 * np.pi * steps / 16)
    positions = np.stack([3 * steps, np.zeros(16), height], axis=1)
    wave = Structure(
        Lattice.orthorhombic(48, 4, 5),
        ["Si"] * 16,
        positions,
        coords_are_cartesian=True,
    )
    assert len(to_primitive(wave, tolerance=0.1)) == 16


def test_merged_copies_are_averaged_and_others_stay():
    rattled = Structure(
        Lattice.orthorhombic(8, 4, 4.2),
        ["Na", "Na", "Cl", "Cl"],
        [[0, 0, 0], [4.04, 0, 0], [2, 2, 2], [6, 2, 2]],
        coords_are_cartesian=True,
    )
    primitive = to_primitive(rattled, tolerance=0.1)
    assert sorted(primitive.lattice.abc) == pytest.approx([4, 4, 4.2])
    sodium, chlorine = primitive.cart_coords
    image = primitive.lattice.get_distance_and_image
    assert image(*primitive.frac_coords)[0] == pytest.approx(
        np.linalg.norm([1.98, 2, 2]), abs=1e-9
    )
    assert sodium is not chlorine


def test_coordinates_outside_the_cell_are_wrapped(rutile):
    shifted = Structure(
        rutile.lattice, rutile.species, rutile.frac_coords + [[2, -3, 5]] * len(rutile)
    )
    primitive = to_primitive(shifted)
    assert ((primitive.frac_coords >= 0) & (primitive.frac_coords < 1)).all()
    assert np.allclose(distances(primitive), distances(to_primitive(rutile)))


def test_primitive_cell_of_a_primitive_cell_is_itself(quartz):
    once = to_primitive(quartz)
    twice = to_primitive(once)
    assert np.allclose(once.lattice.matrix, twice.lattice.matrix)
    assert np.allclose(distances(once), distances(twice))


def test_large_ideal_supercells_reduce(silicon):
    assert len(to_primitive(silicon * (3, 3, 3))) == 2


def _spglib_sites(structure, tolerance):
    """Return how many sites the primitive cell of spglib has."""
    numbers = [site.specie.Z for site in structure]
    cell = structure.lattice.matrix, structure.frac_coords, numbers
    return len(spglib.find_primitive(cell, symprec=tolerance)[2])


@pytest.mark.filterwarnings("ignore:Set OLD_ERROR_HANDLING")
@pytest.mark.parametrize("name", ["dielectric", "formation_energy"])
def test_primitive_cells_have_as_many_sites_as_those_of_spglib(name):
    structures = [record.structure for record in islice(open_source(name), 50)]
    # A supercell of each, so that there is something to reduce.
    for structure in [s * m for s in structures for m in ((1, 1, 1), (2, 1, 1))]:
        ours = len(to_primitive(structure, 0.1))
        assert ours == _spglib_sites(structure, 0.1), structure.formula
