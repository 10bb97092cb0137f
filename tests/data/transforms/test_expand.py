import pytest
import torch
from torch_geometric.data import Batch

from pyg_sitenet.data.graph.encode import encode_structure
from pyg_sitenet.transforms import MergeEquivalent, expand_pairs, expand_sites


def test_merged_values_go_back_to_every_pair_and_site(rutile):
    data = encode_structure(rutile, max_atoms=50)
    merged = MergeEquivalent(keep_origin=True)(data)
    torch.testing.assert_close(
        expand_pairs(merged, merged.edge_attr), data.edge_attr, atol=1e-5, rtol=0
    )
    assert torch.equal(expand_sites(merged, merged.z), data.z)


def test_a_batch_goes_back_crystal_by_crystal(rutile, cscl):
    graphs = [encode_structure(item, max_atoms=50) for item in (rutile, cscl, rutile)]
    full = Batch.from_data_list(graphs)
    merge = MergeEquivalent(keep_origin=True)
    merged = Batch.from_data_list([merge(graph) for graph in graphs])
    assert torch.equal(expand_sites(merged, merged.z), full.z)
    torch.testing.assert_close(
        expand_pairs(merged, merged.edge_attr), full.edge_attr, atol=1e-5, rtol=0
    )


@pytest.mark.parametrize(
    ("expand", "name"), [(expand_pairs, "merged_pair"), (expand_sites, "merged_site")]
)
def test_graph_without_origin_is_refused(rutile, expand, name):
    merged = MergeEquivalent()(encode_structure(rutile, max_atoms=50))
    with pytest.raises(ValueError, match=f"`data` must have `{name}`"):
        expand(merged, merged.z)


@pytest.mark.parametrize("expand", [expand_pairs, expand_sites])
def test_values_of_other_pairs_or_sites_are_refused(rutile, expand):
    merged = MergeEquivalent(keep_origin=True)(encode_structure(rutile, max_atoms=50))
    with pytest.raises(ValueError, match=r"`values` must have \d+ rows, .*, got 1000"):
        expand(merged, torch.zeros(1000))
