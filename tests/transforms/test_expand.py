import pytest
import torch

from pyg_sitenet.data.encode import encode_structure
from pyg_sitenet.transforms import MergeEquivalent, expand_pairs, expand_sites


def test_merged_values_go_back_to_every_pair_and_site(rutile):
    data = encode_structure(rutile, max_atoms=50)
    merged = MergeEquivalent(keep_origin=True)(data)
    torch.testing.assert_close(
        expand_pairs(merged, merged.edge_attr), data.edge_attr, atol=1e-5, rtol=0
    )
    assert torch.equal(expand_sites(merged, merged.z), data.z)


@pytest.mark.parametrize(
    ("expand", "name"), [(expand_pairs, "merged_pair"), (expand_sites, "merged_site")]
)
def test_graph_without_origin_is_refused(rutile, expand, name):
    merged = MergeEquivalent()(encode_structure(rutile, max_atoms=50))
    with pytest.raises(ValueError, match=f"`data` must have `{name}`"):
        expand(merged, merged.z)
