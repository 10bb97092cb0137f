"""The published model, number by number, from the structure to the prediction."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from pymatgen.core import Element, Structure
from torch_geometric.data import Batch

from pyg_sitenet.analysis import head_long_range, long_range_coefficient
from pyg_sitenet.config import load_preset
from pyg_sitenet.data.graph.encode import encode_structure
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.nn.pairs.pair_linear import joined_form
from pyg_sitenet.nn.weights.published import published_name
from pyg_sitenet.transforms import MergeEquivalent

HERE = Path(__file__).parent / "reference"
PREDICTIONS = json.loads((HERE / "predictions.json").read_text())
SINGLE = PREDICTIONS["single"]
VARIANTS = PREDICTIONS["variants_limit_100_[raw,pred]"]
OPTIONS = {
    "cutoff_5": {"distance_cutoff": 5.0},
    "k_softmax_8": {"top_k": 8},
    "pool_max": {"pooling": "max"},
    "last_identity": {"output": "identity"},
}
BATCH = ["NaCl", "diamond", "rutile_TiO2", "SrTiO3", "graphite", "quartz_SiO2"]


def crystal(name):
    """The structure that the reference was made from."""
    base, _, decorated = name.partition("_oxi")
    cell = json.loads((HERE / "supercells.json").read_text())[base]["input"]
    species = [Element.from_Z(z) for z in cell["Z"]]
    structure = Structure(cell["lattice"], species, cell["frac"])
    if decorated or name.endswith("_oxi"):
        structure.add_oxidation_state_by_element({"Na": 1, "Cl": -1})
    return structure


def encode(case, dtype=torch.float32):
    name, limit = case.split("/")
    data = encode_structure(crystal(name), max_atoms=int(limit))
    # The reference casts features to float32 before everything else.
    return data.apply(lambda t: t.to(dtype) if t.is_floating_point() else t)


def published(dtype=torch.float32, **options):
    state = np.load(HERE / "state_rand.npz")
    tensors = {name: torch.from_numpy(state[name]) for name in state.files}
    config = load_preset("paper").model.model_copy(update=options)
    return SiteNet.from_published(tensors, config).to(dtype).eval()


def values(case):
    return np.load(HERE / f"values_{case.replace('/', '_')}.npz")


def sorted_rows(array):
    """Rows as a multiset: the reference orders sites and pairs in another way."""
    array = np.asarray(array, dtype=np.float64)
    return np.sort(array.reshape(len(array), -1), axis=0)


def captured(model, data):
    """Run the model and keep what each part returned."""
    results = {}

    def keep(name):
        return lambda _module, _inputs, output: results.__setitem__(name, output)

    parts = {
        "site_0": model.site_embedding,
        "inter_0": model.edge_embedding,
        "prepool": model.readout.pre_pool,
        "pooled": model.readout.pool,
        "global": model.readout.post_pool,
    }
    for number, block in enumerate(model.blocks, start=1):
        parts |= {f"block_{number}": block, f"logits_{number}": block.logits}
        parts |= {f"attn_features_{number}": block.value}
    for name, part in parts.items():
        part.register_forward_hook(keep(name))
    with torch.no_grad():
        results["raw"], results["pred"] = model.raw_output(data), model(data)
        attention = model.attention(data)
    for number, weights in enumerate(attention.weights, start=1):
        block, _ = results.pop(f"block_{number}")
        last = number == len(model.blocks)
        results[f"site_{number}"] = block if last else block[0]
        if not last:
            results[f"inter_{number}"] = block[1]
        results[f"attn_{number}"] = weights
    return {name: tensor.detach().numpy() for name, tensor in results.items()}


@pytest.mark.parametrize("case", SINGLE)
def test_inputs_are_those_of_the_reference(case):
    data, reference = encode(case), np.load(HERE / "inputs.npz")
    sites = reference[f"{case}/Site_Feature_Tensor"]
    pairs = reference[f"{case}/Interaction_Feature_Tensor"].reshape(-1, 2)
    assert sorted(data.z.tolist()) == sorted(reference[f"{case}/Atomic_ID"].tolist())
    assert_allclose(sorted_rows(data.x[:, :8]), sorted_rows(sites), rtol=1e-6)
    oxidation = reference[f"{case}/Oxidation_State"].reshape(-1, 1)
    assert_allclose(sorted_rows(data.x[:, 8:]), sorted_rows(oxidation), rtol=1e-6)
    assert_allclose(sorted_rows(data.edge_attr), sorted_rows(pairs), atol=1e-6)
    assert data.num_images.item() == reference[f"{case}/images"]


@pytest.mark.parametrize("case", SINGLE)
def test_every_intermediate_value(case):
    reference, ours = values(case), captured(published(), encode(case))
    compared = [name for name in reference.files if name in ours]
    assert {"site_0", "logits_1", "attn_2", "site_2", "prepool", "raw"} <= set(compared)
    for name in compared:
        theirs = reference[name]
        columns = theirs.shape[-1]
        # [n, N, C] tables are compared as pairs, [n, C] tables as sites.
        assert_allclose(
            sorted_rows(ours[name].reshape(-1, columns)),
            sorted_rows(theirs.reshape(-1, columns)),
            rtol=1e-4,
            atol=2e-5,
            err_msg=name,
        )


@pytest.mark.parametrize("merge", [False, True])
@pytest.mark.parametrize("case", SINGLE)
def test_prediction_float32(case, merge):
    data = MergeEquivalent()(encode(case)) if merge else encode(case)
    expected = SINGLE[case]
    assert_allclose(published().raw_output(data).item(), expected["raw_f32"], rtol=1e-5)
    assert_allclose(published()(data).item(), expected["pred_f32"], rtol=1e-5)


@pytest.mark.parametrize("case", SINGLE)
def test_prediction_float64(case):
    model, data = published(torch.float64), encode(case, torch.float64)
    expected = SINGLE[case]
    assert_allclose(model.raw_output(data).item(), expected["raw_f64"], rtol=1e-10)
    assert_allclose(model(data).item(), expected["pred_f64"], rtol=1e-10)


@pytest.mark.parametrize("merge", [False, True])
@pytest.mark.parametrize("case", SINGLE)
def test_long_range_values(case, merge):
    data = MergeEquivalent()(encode(case)) if merge else encode(case)
    expected = SINGLE[case]["long_range_coefficient[block][head]"]
    heads = head_long_range(published(), data)
    assert_allclose(heads[0], expected, atol=1e-5)
    assert_allclose(values(case)["long_range"], expected, atol=1e-6)
    assert_allclose(long_range_coefficient(published(), data), sum(expected[-1]), 1e-5)


@pytest.mark.parametrize("variant", OPTIONS)
@pytest.mark.parametrize("name", ["NaCl", "rutile_TiO2", "SrTiO3", "quartz_SiO2"])
def test_variants(variant, name):
    model, data = published(**OPTIONS[variant]), encode(f"{name}/100")
    raw, pred = VARIANTS[variant][name]
    assert_allclose(model.raw_output(data).item(), raw, atol=1e-5)
    assert_allclose(model(data).item(), pred, atol=1e-5)


def test_batch():
    batch = Batch.from_data_list([encode(f"{name}/50") for name in BATCH])
    model, reference = published(), np.load(HERE / "batch_50.npz")
    with torch.no_grad():
        ours = captured(model, batch)
        heads = head_long_range(model, batch)
    for name in ("pooled", "raw", "pred"):
        assert_allclose(ours[name], reference[name], rtol=1e-5, atol=2e-6, err_msg=name)
    assert_allclose(heads, reference["long_range"], atol=1e-5)
    for crystal_number in range(len(BATCH)):
        is_site = batch.batch.numpy() == crystal_number
        theirs = reference["COO"] == crystal_number
        assert_allclose(
            sorted_rows(ours["site_2"][is_site]),
            sorted_rows(reference["site_2"][theirs]),
            rtol=1e-4,
            atol=1e-5,
        )


def test_gradients():
    dtype = torch.float64
    batch = Batch.from_data_list([encode(f"{name}/50", dtype) for name in BATCH])
    model, reference = published(dtype), np.load(HERE / "gradients_batch_50.npz")
    target = torch.tensor([PREDICTIONS["targets_batch_50"][name] for name in BATCH])
    loss = (model(batch)[:, 0] - target.to(dtype)).abs().mean()
    loss.backward()
    assert_allclose(loss.item(), reference["loss"], rtol=1e-7)
    checked = 0
    grads = {name: weight.grad for name, weight in model.named_parameters()}
    for name, grad in joined_form(grads).items():
        theirs = reference[published_name(name)]
        # Some gradients vanish by the softmax's symmetry: compare on their own scale
        # or, below 1e-12, as zeros.
        scale = max(np.abs(theirs).max(), 1e-6)
        assert_allclose(grad.numpy() / scale, theirs / scale, atol=1e-6)
        checked += 1
    assert checked == len(reference.files) - 1
