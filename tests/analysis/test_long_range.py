"""The long-range coefficient of batches; its values are in test_reference.py."""

import torch
from pymatgen.core import Lattice, Structure
from torch_geometric.data import Batch

from pyg_sitenet.analysis import head_long_range, long_range_coefficient
from pyg_sitenet.data.encode import encode_structure
from pyg_sitenet.nn import SiteNet


def test_each_crystal_of_a_batch_has_its_own():
    crystals = [Structure(Lattice.cubic(a), ["Po"], [[0] * 3]) for a in (3.0, 4.0)]
    graphs = [encode_structure(crystal, max_atoms=30) for crystal in crystals]
    model = SiteNet.from_preset("paper").eval()
    together = head_long_range(model, Batch.from_data_list(graphs))
    assert together.shape == (2, 2, 3)
    for graph, heads in zip(graphs, together, strict=True):
        torch.testing.assert_close(head_long_range(model, graph)[0], heads)
        coefficient = long_range_coefficient(model, graph)
        torch.testing.assert_close(coefficient, heads[-1].sum()[None])
