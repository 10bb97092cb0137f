"""Merging keeps one of several equal sites and pairs, and only those."""

import numpy as np
import pytest
import torch
from pymatgen.core import Lattice, Structure
from torch_geometric.data import Batch, Data
from torch_geometric.nn import global_mean_pool

from pyg_sitenet.data.graph.encode import encode_structure
from pyg_sitenet.nn import SiteNet, SiteNetConv, weighted_mean_pool
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


def test_merging_twice_is_merging_once(rutile):
    once = MergeEquivalent(keep_origin=True)(encode(rutile))
    twice = MergeEquivalent(keep_origin=True)(once)
    assert twice.keys() == once.keys()
    assert all(torch.equal(twice[key], once[key]) for key in once.keys())  # noqa: SIM118


@pytest.mark.parametrize("name", ["edge_multiplicity", "site_multiplicity"])
def test_one_multiplicity_alone_is_refused(rutile, name):
    data = encode(rutile)
    data[name] = torch.ones(data.num_edges)
    with pytest.raises(ValueError, match=f"must have both .* got {name} alone"):
        MergeEquivalent()(data)


def test_other_attributes_of_sites_and_pairs_are_carried(rutile):
    data = encode(rutile)
    square = data.edge_attr[:, :1] ** 2
    data.edge_attr = torch.cat([data.edge_attr, square, -square], dim=1)
    data.edge_type = (data.z[data.edge_index[0]] == 8).long()
    data.edge_dist = data.edge_attr[:, 0].clone()
    data.charge = torch.where(data.z == 8, -2.0, 4.0)
    data.label = ["O" if z == 8 else "Ti" for z in data.z.tolist()]
    data.y = torch.tensor([[1.0, 2.0]])
    merged = MergeEquivalent(keep_origin=True)(data)
    assert merged.edge_attr.shape == (merged.num_edges, 4)
    torch.testing.assert_close(merged.edge_attr[merged.merged_pair], data.edge_attr)
    torch.testing.assert_close(merged.edge_dist, merged.edge_attr[:, 0])
    assert torch.equal(merged.edge_type[merged.merged_pair], data.edge_type)
    assert torch.equal(merged.charge[merged.merged_site], data.charge)
    assert [merged.label[k] for k in merged.merged_site] == data.label
    assert torch.equal(merged.y, data.y)
    assert merged.validate()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("charge", torch.arange(6.0), "`charge` differs between sites"),
        ("label", list("abcdef"), "`label` differs between sites"),
        ("edge_type", torch.arange(6 * 48), "`edge_type` differs between pairs"),
        ("edge_vec", torch.rand(6 * 48, 3), "`edge_vec` differs between pairs"),
        ("edge_names", [*map(str, range(288))], "`edge_names` differs between pairs"),
        ("ring_index", torch.arange(6), "`ring_index` holds places of sites"),
    ],
)
def test_what_differs_between_equal_ones_is_refused(rutile, name, value, message):
    data = encode(rutile)
    data[name] = value
    with pytest.raises(ValueError, match=message):
        MergeEquivalent()(data)


def test_a_batch_is_merged_crystal_by_crystal(rutile, nacl):
    graphs = [encode(rutile), encode(nacl), encode(rutile)]
    batch = MergeEquivalent()(Batch.from_data_list(graphs))
    expected = Batch.from_data_list([MergeEquivalent()(graph) for graph in graphs])
    for key in ("ptr", "batch", "edge_index", "edge_attr", "site_multiplicity"):
        assert torch.equal(batch[key], expected[key]), key
    # One graph with a `batch` of its own, as from a collater.
    plain = Data(**Batch.from_data_list(graphs).to_dict())
    plain = MergeEquivalent()(plain)
    assert plain.batch.tolist() == batch.batch.tolist()
    assert plain.site_multiplicity.tolist() == batch.site_multiplicity.tolist()


def test_sites_that_see_nothing_stay():
    data = Data(
        z=torch.tensor([1, 1, 1, 8]),
        num_nodes=4,
        edge_index=torch.tensor([[0], [3]]),
        edge_attr=torch.tensor([[1.0, 0.0]]),
    )
    merged = MergeEquivalent()(data)
    assert merged.site_multiplicity.tolist() == [3, 1]
    assert merged.edge_index.tolist() == [[0], [1]]
    assert MergeEquivalent()(data.clone()).validate()
    empty = Data(
        z=data.z,
        num_nodes=4,
        edge_index=data.edge_index[:, :0],
        edge_attr=torch.empty(0),
    )
    assert MergeEquivalent()(empty).site_multiplicity.tolist() == [3, 1]
    nothing = Data(
        z=data.z[:0], num_nodes=0, edge_index=empty.edge_index, edge_attr=torch.empty(0)
    )
    assert MergeEquivalent()(nothing).num_nodes == 0


def test_literal_form_is_refused(rutile):
    with pytest.raises(TypeError, match="expected `Data`, got HeteroData"):
        MergeEquivalent()(encode_structure(rutile, unfold=True))


def test_a_graph_without_distances_is_refused():
    with pytest.raises(ValueError, match=r"must have `edge_index`, and dist.* got z"):
        MergeEquivalent()(Data(z=torch.ones(2)))


def test_weighted_pooling_gives_what_all_sites_give(rutile, nacl):
    graphs = [encode(crystal) for crystal in (rutile, nacl)]
    full = Batch.from_data_list(graphs)
    few = Batch.from_data_list([MergeEquivalent()(graph) for graph in graphs])
    torch.manual_seed(0)
    conv = SiteNetConv(9, 16, edge_dim=2, heads=3, update_edges=False).double()
    x = conv(full.x, full.edge_index, full.edge_attr)
    expected = global_mean_pool(x, full.batch)
    copies = few.edge_multiplicity
    x = conv(few.x, few.edge_index, few.edge_attr, edge_multiplicity=copies)
    pooled = weighted_mean_pool(x, few.batch, few.site_multiplicity)
    torch.testing.assert_close(pooled, expected, rtol=1e-9, atol=1e-9)
    assert (global_mean_pool(x, few.batch) - expected).abs().max() > 1e-3


def test_weighted_pooling_of_one_crystal_and_of_none():
    x, count = torch.tensor([[1.0], [4.0]]), torch.tensor([2, 1])
    assert weighted_mean_pool(x, None, count).tolist() == [[2.0]]
    assert weighted_mean_pool(x).tolist() == [[2.5]]
    batch = torch.tensor([0, 2])
    assert weighted_mean_pool(x, batch, count, 3).tolist() == [[1.0], [0.0], [4.0]]


def test_unknown_targets_of_a_crystal_of_one_site_are_kept():
    """Its `y` has one row, as what is carried of its only site has."""
    copper = Structure(Lattice.cubic(3.61), ["Cu"], [[0, 0, 0]])
    data = encode_structure(copper, max_atoms=20)
    data.y = torch.tensor([[1.5, torch.nan]])
    merged = MergeEquivalent()(data)
    torch.testing.assert_close(merged.y, data.y, equal_nan=True)
