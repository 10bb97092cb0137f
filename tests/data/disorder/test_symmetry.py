from __future__ import annotations

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from pyg_sitenet.data.disorder.cells import make_cell
from pyg_sitenet.data.disorder.sublattices import find_sublattices
from pyg_sitenet.data.disorder.symmetry import (
    Symmetry,
    hermite_form,
    orbit,
    supercell_shapes,
)
from pyg_sitenet.data.geometry.primitive import to_primitive


@pytest.fixture
def fcc(cu3au) -> Structure:
    return to_primitive(cu3au)


def test_permutations_form_a_group(mixed_salt) -> None:
    primitive = to_primitive(mixed_salt)
    cell = make_cell(np.diag([2, 2, 1]), find_sublattices(primitive))
    table = Symmetry(primitive).permutations(cell)
    group = {row.tobytes() for row in table}
    assert {row[other].tobytes() for row in table for other in table} == group
    assert np.arange(4, dtype=np.int32).tobytes() in group


def test_permutations_keep_distances(fcc) -> None:
    cell = make_cell(np.array([[2, 0, 1], [0, 2, 1], [0, 0, 2]]), find_sublattices(fcc))
    lattice = Lattice(cell.matrix @ fcc.lattice.matrix)
    frac = cell.images @ np.linalg.inv(cell.matrix)
    distances = lattice.get_all_distances(frac, frac)
    table = Symmetry(fcc).permutations(cell)
    assert len(table) > cell.num_images
    for row in table:
        np.testing.assert_allclose(distances[np.ix_(row, row)], distances, atol=1e-8)


def test_screw_axes_and_shifts_move_sites_as_they_should(quartz) -> None:
    quartz.replace_species({"Si": {"Si": 0.5, "Ge": 0.5}})
    primitive = to_primitive(quartz)
    cell = make_cell(np.diag([1, 1, 2]), find_sublattices(primitive))
    structure = primitive * (1, 1, 2)
    silicon = [k for k, site in enumerate(structure) if not site.is_ordered]
    distances = structure.distance_matrix[np.ix_(silicon, silicon)]
    table = Symmetry(primitive).permutations(cell)
    assert len(table) == 12  # six operations, two translations
    for row in table:
        np.testing.assert_allclose(distances[np.ix_(row, row)], distances, atol=1e-5)


def test_a_crystal_without_symmetry_keeps_its_translations() -> None:
    odd = Structure(
        Lattice.from_parameters(3, 4, 5, 80, 95, 103),
        [{"Fe": 0.5, "Ni": 0.5}, {"Co": 0.5}],
        [[0, 0, 0], [0.4, 0.3, 0.2]],
    )
    cell = make_cell(np.diag([3, 1, 1]), find_sublattices(odd))
    assert len(Symmetry(odd).permutations(cell)) == 3


def test_an_orbit_holds_each_equivalent_ordering_once(fcc) -> None:
    cell = make_cell(np.diag([1, 1, 4]), find_sublattices(fcc))
    labels = np.array([1, 0, 0, 0], dtype=np.uint8)
    assert len(orbit(labels, Symmetry(fcc).permutations(cell))) == 4


# Superlattices of the fcc lattice: Hart and Forcade (2008), table 4.
@pytest.mark.parametrize(
    ("size", "all_", "different"),
    [(2, 7, 2), (3, 13, 3), (4, 35, 7), (5, 31, 5), (6, 91, 10), (8, 155, 20)],
)
def test_superlattices_of_fcc_are_as_many_as_published(
    fcc, size, all_, different
) -> None:
    shapes = supercell_shapes(size, Symmetry(fcc).rotations)
    assert sum(number for _, number in shapes) == all_
    assert len(shapes) == different


def test_hermite_form_is_one_for_each_lattice() -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        matrix = random.integers(-4, 5, (3, 3))
        if round(np.linalg.det(matrix)) == 0:
            continue
        form = hermite_form(matrix)
        turn = np.array([[1, 2, 0], [0, 1, 0], [3, 0, -1]])
        assert (hermite_form(turn @ matrix) == form).all()
        assert (np.tril(form, -1) == 0).all()
        steps = form @ np.linalg.inv(matrix)
        np.testing.assert_allclose(steps, np.rint(steps), atol=1e-9)
        assert np.diag(form).prod() == abs(round(np.linalg.det(matrix)))
