"""What the transforms read of a graph: positions, cell, periodic axes, molecules."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from ase.neighborlist import neighbor_list
from torch_geometric.data import Batch, Data, HeteroData
from torch_geometric.transforms import Compose

from pyg_sitenet.transforms import (
    CoulombPairs,
    MergeEquivalent,
    PeriodicRadiusGraph,
    Sphere,
    Supercell,
    pair_distances,
    pair_triplets,
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
        (
            {"cell": torch.tensor([[[4.0, 0, 0], [4, 1e-4, 0], [0, 0, 4]]])},
            "`cell` repeats every 0.0001 angstrom, less than 0.1; give its rows",
        ),
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


def test_a_flat_cell_is_refused_along_its_periodic_axes_alone():
    data = graph(bulk("Si"))
    data.cell = torch.diag(torch.tensor([4.0, 4.0, 1e-3]))[None]
    with pytest.raises(ValueError, match=r"`cell` repeats every 0\.001 angstrom"):
        PeriodicRadiusGraph(3.0)(data)
    data.pbc = torch.tensor([[True, True, False]])
    assert PeriodicRadiusGraph(3.0)(data).num_nodes == 2


def test_a_skewed_cell_is_the_same_crystal():
    data = Data(z=torch.tensor([11]), pos=torch.zeros(1, 3))
    distances = []
    for skew in (0.0, 400.0):
        data.cell = torch.tensor([[[4.0, 0, 0], [skew, 4, 0], [0, 0, 4]]])
        distances.append(Sphere(50)(data).edge_dist.sort().values)
    torch.testing.assert_close(*distances, atol=1e-3, rtol=0)


@pytest.mark.parametrize("z", [torch.tensor([14, 0]), torch.tensor([14, 500])])
def test_numbers_of_no_element_are_named(z):
    data = PeriodicRadiusGraph(3.0)(graph(bulk("Si")))
    data.z = z
    with pytest.raises(
        ValueError, match=r"`z` must hold atomic numbers, 1 to 118, got"
    ):
        CoulombPairs()(data)


def test_pairs_of_a_crystal_need_their_shifts():
    data = PeriodicRadiusGraph(3.0)(graph(bulk("Si")))
    del data.edge_shift
    with pytest.raises(ValueError, match="`data` must have `edge_shift`"):
        CoulombPairs()(data)


def test_a_batch_is_transformed_graph_by_graph():
    graphs = [graph(bulk("Si")), graph(bulk("NaCl", "rocksalt", a=5.64))]
    transform = Compose([Sphere(20), CoulombPairs(), MergeEquivalent()])
    batch = transform(Batch.from_data_list(graphs))
    expected = Batch.from_data_list([transform(part) for part in graphs])
    assert torch.equal(batch.edge_attr, expected.edge_attr)
    assert torch.equal(batch.edge_index, expected.edge_index)
    assert len(batch.to_data_list()) == 2


def test_a_batch_of_merged_graphs_is_transformed():
    merge = Compose([Sphere(20), MergeEquivalent()])
    batch = Batch.from_data_list([merge(graph(bulk("Si"))) for _ in range(2)])
    assert "num_nodes" in batch[0]
    assert MergeEquivalent()(batch).num_graphs == 2


def test_a_cell_without_end_is_refused():
    data = graph(bulk("Si"))
    for length in (float("inf"), 4e20):
        data.cell = torch.diag(torch.tensor([4.0, 4.0, length]))[None]
        with pytest.raises(ValueError, match="`cell` must be finite and at most 10000"):
            Sphere(20)(data)


def test_what_a_batch_was_given_as_a_whole_is_not_lost():
    batch = Batch.from_data_list([graph(bulk("Si")), graph(bulk("Si"))])
    batch.label = torch.zeros(2)
    with pytest.raises(ValueError, match="`label` was set on the batch as a whole"):
        Sphere(20)(batch)


def test_an_atom_with_itself_has_no_angle():
    data = Sphere(20)(graph(bulk("NaCl", "rocksalt", a=5.64)))
    first, second = pair_triplets(data)
    assert (data.edge_dist[first] > 0).all()
    assert (data.edge_dist[second] > 0).all()


def test_merging_keeps_no_gradients():
    data = graph(bulk("Si"))
    data.pos.requires_grad_()
    with pytest.raises(
        ValueError, match=r"`edge_\w+` requires gradients, which merged"
    ):
        MergeEquivalent()(Sphere(20)(data))
