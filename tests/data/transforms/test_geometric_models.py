"""PyG's geometric models take the pairs of crystals, those across the cell included."""

from pathlib import Path

import pytest
import torch
from torch import nn
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader
from torch_geometric.nn.models import DimeNet, DimeNetPlusPlus, SchNet, ViSNet
from torch_geometric.utils import scatter

from pyg_sitenet import CrystalDataset
from pyg_sitenet.transforms import (
    PeriodicRadiusGraph,
    pair_distances,
    pair_triplets,
    pair_vectors,
)

STRUCTURES = Path(__file__).parents[3] / "examples" / "structures"
SIZES = {"hidden_channels": 16, "num_layers": 1, "cutoff": 3.5}
ANGLES = {
    "hidden_channels": 16, "out_channels": 1, "num_blocks": 1, "num_spherical": 3,
    "num_radial": 4, "cutoff": 3.5, "output_initializer": "glorot_orthogonal",
}  # fmt: skip
MODELS = {
    "SchNet": lambda: SchNet(16, 16, 1, cutoff=3.5, readout="mean"),
    "ViSNet": lambda: ViSNet(num_heads=2, reduce_op="mean", **SIZES),
    "DimeNet": lambda: DimeNet(num_bilinear=4, **ANGLES),
    "DimeNet++": lambda: DimeNetPlusPlus(
        int_emb_size=8, basis_emb_size=4, out_emb_channels=8, **ANGLES
    ),
}


class SeenPairs(nn.Module):
    """The pairs of a graph in the form that SchNet and ViSNet ask for."""

    def __init__(self, *pairs):
        super().__init__()
        self.pairs = pairs

    def forward(self, pos, batch):  # noqa: ARG002 - as PyG calls it
        return self.pairs


def dimenet_energies(model, data):
    """What ``DimeNet.forward`` does with neighbours of its own, per atom."""
    sender, receiver = data.edge_index
    first, second = pair_triplets(data)
    vectors = pair_vectors(data)
    towards, farther = vectors[second], vectors[first]
    if not isinstance(model, DimeNetPlusPlus):
        farther = towards + farther
    normal = torch.linalg.cross(towards, farther)
    angle = torch.atan2(normal.norm(dim=-1), (towards * farther).sum(-1))
    distance = vectors.norm(dim=-1)
    radial = model.rbf(distance)
    spherical = model.sbf(distance, angle, first)
    messages = model.emb(data.z, radial, receiver, sender)
    options = {"num_nodes": data.num_nodes}
    energies = model.output_blocks[0](messages, radial, receiver, **options)
    for interaction, output in zip(
        model.interaction_blocks, model.output_blocks[1:], strict=True
    ):
        messages = interaction(messages, radial, spherical, first, second)
        energies = energies + output(messages, radial, receiver, **options)
    return energies


def energies(name, model, data):
    """Return the energy per atom of each crystal, [B]."""
    batch = torch.zeros_like(data.z) if data.get("batch") is None else data.batch
    if name.startswith("DimeNet"):
        return scatter(dimenet_energies(model, data), batch, reduce="mean").squeeze(-1)
    pairs = (data.edge_index, pair_distances(data), pair_vectors(data))
    if name == "SchNet":
        model.interaction_graph = SeenPairs(*pairs[:2])
        return model(data.z, data.pos, batch).squeeze(-1)
    model.representation_model.distance = SeenPairs(*pairs)
    return model(data.z, data.pos, batch)[0].squeeze(-1)


@pytest.fixture
def make_model():
    def make(name):
        pytest.importorskip("sympy", reason="DimeNet of PyG needs sympy")
        torch.manual_seed(0)
        return MODELS[name]()

    return make


@pytest.mark.parametrize("name", MODELS)
def test_models_see_across_the_cell(name, quartz, make_model):
    model = make_model(name).double()

    def energy(structure):
        data = Data(
            z=torch.tensor(structure.atomic_numbers),
            pos=torch.tensor(structure.cart_coords),
            cell=torch.tensor(structure.lattice.matrix.copy())[None],
        )
        data = PeriodicRadiusGraph(3.5, loop=name == "ViSNet")(data)
        return energies(name, model, data)

    large = quartz * (2, 1, 1)
    large.translate_sites(range(len(large)), [0.3, 0.4, 0.5])
    torch.testing.assert_close(energy(large), energy(quartz), rtol=1e-9, atol=1e-9)
    strained = quartz.copy()
    strained.apply_strain(0.01)
    assert (energy(strained) - energy(quartz)).abs().max() > 1e-8


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("crystals")
    names = ("NaCl", "Si", "TiO2_rutile", "SrTiO3")
    rows = [f"{STRUCTURES / name}.cif,{len(name)}" for name in names]
    (folder / "gaps.csv").write_text("\n".join(["file,gap", *rows]) + "\n")
    source, options = folder / "gaps.csv", {"max_atoms": 20, "workers": 1}
    return CrystalDataset(folder / "cache", source, "gap", **options)


@pytest.mark.parametrize("name", MODELS)
def test_models_run_on_data_sets(name, dataset, make_model):
    model = make_model(name)
    dataset.transform = PeriodicRadiusGraph(3.5, loop=name == "ViSNet")
    (batch,) = DataLoader(dataset, batch_size=4)
    both = energies(name, model, batch)
    single = torch.cat([energies(name, model, data) for data in dataset])
    torch.testing.assert_close(both, single, rtol=1e-4, atol=1e-5)
    (both - batch.y[:, 0]).square().mean().backward()
    grads = [part.grad for part in model.parameters() if part.grad is not None]
    assert grads
    assert all(grad.isfinite().all() for grad in grads)
