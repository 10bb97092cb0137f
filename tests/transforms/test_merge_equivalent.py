"""Merging keeps one of several equal sites and pairs, and only those."""

import numpy as np
import pytest
import torch
from pymatgen.core import Lattice, Structure
from torch_geometric.data import Batch

from pyg_sitenet.data.graph.encode import encode_structure
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.transforms import MergeEquivalent


@pytest.fixture
def rutile():
    return Structure.from_spacegroup(
        "P4_2/mnm",
        Lattice.tetragonal(4.594, 2.959),
        ["Ti", "O"],
        [[0, 0, 0], [0.3053, 0.3053, 0]],
    )


def encode(structure, max_atoms=50):
    return encode_structure(structure, max_atoms=max_atoms, dtype=torch.float64)


def test_diamond_is_one_site_and_its_shells():
    diamond = Structure.from_spacegroup("Fd-3m", Lattice.cubic(3.567), ["C"], [[0] * 3])
    merged = MergeEquivalent()(encode(diamond))
    assert merged.site_multiplicity.tolist() == [2]
    assert merged.edge_index.tolist() == [[0] * 8, [0] * 8]
    distance, count = merged.edge_attr[:, 0], merged.edge_multiplicity
    assert count.sum() == 36  # one receiver's pairs
    assert count[distance == 0].tolist() == [1]
    nearest = distance[distance > 0].min()
    assert nearest.item() == pytest.approx(3.567 * 3**0.5 / 4)
    assert count[distance == nearest].tolist() == [4]


def test_counts_of_sites_and_pairs_are_kept(rutile):
    data = encode(rutile)
    merged = MergeEquivalent()(data)
    assert sorted(merged.site_multiplicity.tolist()) == [2, 4]
    weight = merged.site_multiplicity[merged.edge_index[1]] * merged.edge_multiplicity
    assert weight.sum() == data.num_edges
    assert torch.equal(merged.edge_index[1], merged.edge_index[1].sort().values)


def test_the_given_graph_stays_as_it_is(rutile):
    data = encode(rutile)
    before = data.clone()
    MergeEquivalent()(data)
    assert set(data.keys()) == set(before.keys())
    assert torch.equal(data.edge_index, before.edge_index)


def test_oxidation_states_keep_sites_apart():
    silicon = Structure.from_spacegroup("Fd-3m", Lattice.cubic(5.43), ["Si"], [[0] * 3])
    silicon = silicon.get_primitive_structure()
    assert MergeEquivalent()(encode(silicon)).num_nodes == 1
    silicon.add_oxidation_state_by_site([4, -4])
    assert MergeEquivalent()(encode(silicon)).num_nodes == 2


def test_sites_with_other_surroundings_stay_apart():
    # Two chlorine sites at unequal distances from sodium: the features are the same.
    crystal = Structure(
        Lattice.from_parameters(4, 5, 6, 85, 95, 100),
        ["Na", "Cl", "Cl"],
        [[0, 0, 0], [0.5, 0.45, 0.4], [0.3, 0.8, 0.75]],
    )
    assert MergeEquivalent()(encode(crystal)).num_nodes == 3


def test_close_distances_never_chain_unequal_sites_together():
    # Sites that each differ from the next by less than the tolerance, but whose ends
    # differ by more, must not become one.
    offsets = np.arange(6) * 0.7e-3
    chain = [[0.5 + o / 40, 0.5, (k + 0.5) / 6] for k, o in enumerate(offsets)]
    crystal = Structure(
        Lattice.orthorhombic(40, 41, 60), ["H"] * 6 + ["Na"], [*chain, [0] * 3]
    )
    data = encode(crystal, max_atoms=7)
    merged = MergeEquivalent(keep_origin=True)(data)
    error = (merged.edge_attr[merged.merged_pair] - data.edge_attr)[:, 0].abs().max()
    assert error < 1e-3


@pytest.mark.parametrize("seed", range(5))
def test_site_order_does_not_matter(rutile, seed):
    order = np.random.default_rng(seed).permutation(len(rutile))
    shuffled = Structure.from_sites([rutile[i] for i in order])
    torch.manual_seed(0)
    model = SiteNet().double().eval()
    expected = model(MergeEquivalent()(encode(rutile)))
    torch.testing.assert_close(model(MergeEquivalent()(encode(shuffled))), expected)


def test_origin_expands_values_of_merged_pairs_and_sites(rutile):
    data = encode(rutile)
    merged = MergeEquivalent(keep_origin=True)(data)
    torch.testing.assert_close(merged.edge_attr[merged.merged_pair], data.edge_attr)
    assert torch.equal(merged.z[merged.merged_site], data.z)
    model = SiteNet().double().eval()
    full, few = model.attention(data), model.attention(merged)
    for dense, alpha in zip(full.weights, few.weights, strict=True):
        per_copy = alpha / merged.edge_multiplicity[:, None]
        torch.testing.assert_close(per_copy[merged.merged_pair], dense)


def test_merged_graphs_are_batched_like_any_other(rutile):
    graphs = [encode(rutile), encode(Structure(Lattice.cubic(3.3), ["Po"], [[0] * 3]))]
    graphs = [MergeEquivalent()(graph) for graph in graphs]
    model = SiteNet().double().eval()
    alone = torch.cat([model(graph) for graph in graphs])
    torch.testing.assert_close(model(Batch.from_data_list(graphs)), alone)


def test_repr_names_the_setting():
    assert repr(MergeEquivalent(1e-4)) == "MergeEquivalent(tolerance=0.0001)"
