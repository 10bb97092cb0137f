"""What the transforms read of a graph: positions, cell, periodic axes, molecules."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from ase.neighborlist import neighbor_list
from torch_geometric.data import Batch, Data, HeteroData

from pyg_sitenet.transforms import (
    CoulombPairs,
    MergeEquivalent,
    PeriodicRadiusGraph,
    Sphere,
    Supercell,
    pair_distances,
)

TRANSFORMS = [PeriodicRadiusGraph(3.0), Sphere(20), Supercell(20)]


def graph(atoms):
    return Data(
        z=torch.tensor(atoms.numbers),
        pos=torch.tensor(atoms.positions),
        cell=torch.tensor(np.array(atoms.cell))[None],
        pbc=torch.tensor(atoms.pbc)[None],
    )


SYSTEMS = {
    "slab": fcc111("Cu", (2, 2, 3), vacuum=0.5),
    "slab without a third vector": fcc111("Cu", (2, 2, 3)),
    "wire": Atoms("C2", [[0, 0, 0], [0, 1, 1.2]], cell=[0, 0, 2.5], pbc=[0, 0, 1]),
    "molecule in a box": molecule("C2H6", vacuum=1.0),
    "crystal": bulk("Si"),
}


@pytest.mark.parametrize("name", SYSTEMS)
def test_images_lie_along_periodic_axes_alone(name):
    atoms = SYSTEMS[name]
    atoms.positions += [0.0, 3.7, -5.2]  # outside the cell
    data = PeriodicRadiusGraph(4.0)(graph(atoms))
    i, j, shift, distance = neighbor_list("ijSd", atoms, 4.0)
    rows = zip(j, i, *shift.T, distance.round(6), strict=True)
    ours = zip(
        *data.edge_index.tolist(),
        *data.edge_shift.T.tolist(),
        data.edge_dist.numpy().round(6),
        strict=True,
    )
    assert sorted(ours) == sorted(rows)
    torch.testing.assert_close(pair_distances(data), data.edge_dist)


@pytest.mark.parametrize("transform", [Sphere(20), Supercell(20)])
def test_a_slab_has_no_sphere_or_supercell(transform):
    with pytest.raises(ValueError, match=r"`pbc` must be True .* \[True, True, False"):
        transform(graph(SYSTEMS["slab"]))


def test_molecules_of_one_graph_do_not_see_each_other():
    atoms = molecule("H2O")
    single = Data(z=torch.tensor(atoms.numbers), pos=torch.tensor(atoms.positions))
    both = Batch.from_data_list([single, single])
    plain = Data(z=both.z, pos=both.pos, batch=both.batch)
    expected = PeriodicRadiusGraph(3.0, loop=True)(both)
    data = PeriodicRadiusGraph(3.0, loop=True)(plain)
    assert torch.equal(data.edge_index, expected.edge_index)
    assert data.num_edges == 2 * 9


@pytest.mark.parametrize("transform", TRANSFORMS, ids=str)
def test_other_pairs_leave_nothing_behind(transform):
    data = graph(bulk("Si"))
    expected = CoulombPairs()(transform(data))
    for first in TRANSFORMS:
        again = CoulombPairs()(transform(CoulombPairs()(first(data))))
        assert set(again.keys()) == set(expected.keys())
        assert torch.equal(again.edge_attr, expected.edge_attr)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pbc": torch.ones(2)}, r"`pbc` must have shape \[1, 3\], got \[2\]"),
        ({"pos": torch.ones(2, 3).long()}, "`pos` must have a floating type, got tor"),
        ({"pos": torch.ones(0, 3)}, "`pos` must hold a site or more, got none"),
    ],
)
def test_what_does_not_fit_is_named(changes, message):
    data = graph(bulk("Si"))
    data.update(changes)
    with pytest.raises(ValueError, match=message):
        Sphere(20)(data)


@pytest.mark.parametrize("transform", TRANSFORMS, ids=str)
def test_graphs_of_several_kinds_are_refused(transform):
    with pytest.raises(TypeError, match=r"expected `Data`, got HeteroData; .*\("):
        transform(HeteroData(site={"pos": torch.zeros(1, 3)}))


@pytest.mark.parametrize("z", [torch.ones(2, 1), torch.ones(3)])
def test_atomic_numbers_of_another_shape_are_named(z):
    data = PeriodicRadiusGraph(3.0)(graph(bulk("Si")))
    data.z = z
    with pytest.raises(ValueError, match=r"`z` must have shape \[2\], .*, got \["):
        CoulombPairs()(data)


def test_merging_counts_sites_that_see_nothing():
    data = Data(z=torch.tensor([8, 8, 1]), edge_index=torch.tensor([[0, 1], [1, 0]]))
    data.edge_dist = torch.ones(2)
    merged = MergeEquivalent()(data)
    assert merged.site_multiplicity.tolist() == [1, 2]
    assert merged.num_nodes == 2
    assert Batch.from_data_list([merged, merged]).edge_index.tolist() == [[1, 3]] * 2


@pytest.mark.parametrize("tolerance", [-1.0, np.nan])
def test_impossible_tolerances_are_named(tolerance):
    with pytest.raises(ValueError, match="`tolerance` must be 0 or above and finite"):
        MergeEquivalent(tolerance)
