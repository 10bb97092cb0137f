"""The fast model is the model: fused and merged, it gives what dense tables give.

The dense reference works on all pairs, padded, with nothing hoisted, merged or computed
again. Merging also replaces nearly equal distances by their mean; so that rounding
alone is compared, the reference sees the same means here, and the last tests say how
far the means move a prediction.
"""

import copy
import functools
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from pymatgen.core import Element, Structure
from torch_geometric.data import Batch

from pyg_sitenet.config import load_preset
from pyg_sitenet.data.graph.encode import encode_structure
from pyg_sitenet.data.sources import open_source
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.transforms import MergeEquivalent

HERE = Path(__file__).parent
REFERENCE = HERE / "reference"
SUPERCELLS = json.loads((REFERENCE / "supercells.json").read_text())
ATOMS = [50, 100, 500]
DTYPES = [torch.float32, torch.float64]
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
NUM_BUNDLED, NUM_CHUNKS = 300, 10


@pytest.fixture(scope="module")
def dense_forward():
    path = HERE.parent / "benchmarks" / "dense_reference.py"
    spec = importlib.util.spec_from_file_location("dense_reference", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.dense_forward


@functools.cache
def chosen_entries():
    """The 300 bundled crystals, in a random but fixed order."""
    entries = list(open_source("dielectric", ("band_gap",)).entries())
    order = np.random.default_rng(0).permutation(len(entries))
    return [entries[i] for i in order[:NUM_BUNDLED]]


def reference_crystal(name):
    cell = SUPERCELLS[name.removesuffix("_oxi")]["input"]
    species = [Element.from_Z(z) for z in cell["Z"]]
    structure = Structure(cell["lattice"], species, cell["frac"])
    if name.endswith("_oxi"):
        structure.add_oxidation_state_by_element({"Na": 1, "Cl": -1})
    return structure


def published(dtype):
    state = np.load(REFERENCE / "state_rand.npz")
    tensors = {name: torch.from_numpy(state[name]) for name in state.files}
    return SiteNet.from_published(tensors).to(dtype).eval()


def untrained(preset, dtype):
    torch.manual_seed(0)
    return SiteNet(load_preset(preset).model).to(dtype).eval()


def grouped_and_merged(structure, max_atoms, dtype, environment="supercell"):
    """All pairs with the mean distance of their group, and the same pairs merged."""
    data = encode_structure(
        structure, max_atoms=max_atoms, environment=environment, dtype=dtype
    )
    merged = MergeEquivalent(keep_origin=True)(data)
    for key in {"edge_attr", "edge_weight"} & set(data.keys()):
        data[key] = merged[key][merged.merged_pair]
    return data, merged


def random_structures(count):
    return [(entry.id, entry.read().structure) for entry in chosen_entries()[:count]]


def value_and_gradients(model, forward, data):
    value = forward(data)
    return value.detach(), torch.autograd.grad(value.sum(), model.parameters())


def assert_equal(model, reference, data, merged, name):
    """Compare values and gradients with those of ``reference`` on all pairs.

    The reference runs in float64 on the very numbers that the model gets: in float32
    its own rounding would exceed that of the model.
    """
    dtype = next(model.parameters()).dtype
    exact = copy.deepcopy(model).double()
    data = data.clone().apply(lambda t: t.double() if t.is_floating_point() else t)
    expected, exact_gradients = value_and_gradients(
        exact, lambda graph: reference(exact, graph), data
    )
    value, gradients = value_and_gradients(model, model.raw_output, merged)
    # Values are of the order of 1 eV; one that happens to be 0 has no relative error.
    error = ((value - expected).abs() / expected.abs().clamp(min=0.1)).max()
    assert error <= TOLERANCE[dtype], f"{name}: value off by {error:.1e}"
    largest = max(gradient.abs().max() for gradient in exact_gradients)
    names = [part for part, _ in model.named_parameters()]
    for part, ours, theirs in zip(names, gradients, exact_gradients, strict=True):
        # Some gradients nearly vanish, as those of the logits by the softmax's
        # symmetry: what is left of the sums over pairs has their rounding.
        scale = max(theirs.abs().max(), 0.02 * largest)
        error = (ours - theirs).abs().max() / scale
        assert error <= TOLERANCE[dtype], f"{name}: {part}.grad off by {error:.1e}"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("max_atoms", ATOMS)
@pytest.mark.parametrize("name", [*SUPERCELLS, "NaCl_oxi"])
def test_reference_crystals(dense_forward, name, max_atoms, dtype):
    graphs = grouped_and_merged(reference_crystal(name), max_atoms, dtype)
    assert_equal(published(dtype), dense_forward, *graphs, name)


@pytest.mark.parametrize("preset", ["paper", "default"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("max_atoms", ATOMS)
def test_a_few_bundled_crystals(dense_forward, max_atoms, dtype, preset):
    model = untrained(preset, dtype)
    for name, structure in random_structures(2):
        graphs = grouped_and_merged(structure, max_atoms, dtype)
        assert_equal(model, dense_forward, *graphs, name)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("max_atoms", ATOMS)
@pytest.mark.parametrize("chunk", range(NUM_CHUNKS))
def test_many_bundled_crystals(dense_forward, chunk, max_atoms, dtype):
    model = untrained("paper", dtype)
    for entry in chosen_entries()[chunk::NUM_CHUNKS]:
        graphs = grouped_and_merged(entry.read().structure, max_atoms, dtype)
        assert_equal(model, dense_forward, *graphs, entry.id)


def test_long_sums_keep_their_digits(dense_forward):
    # Adding up hundreds of pairs one after the other took this one beyond the bound.
    entry = next(entry for entry in chosen_entries() if entry.id == "mp-7467")
    graphs = grouped_and_merged(entry.read().structure, 500, torch.float32)
    assert_equal(untrained("paper", torch.float32), dense_forward, *graphs, entry.id)


@pytest.mark.parametrize("dtype", DTYPES)
def test_merged_crystals_in_one_batch(dense_forward, dtype):
    graphs = [
        grouped_and_merged(structure, 50, dtype)
        for _, structure in random_structures(6)
    ]
    full, merged = (
        Batch.from_data_list(list(part)) for part in zip(*graphs, strict=True)
    )
    assert_equal(untrained("paper", dtype), dense_forward, full, merged, "batch")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("max_atoms", ATOMS)
def test_the_sphere_too(dense_forward, max_atoms, dtype):
    model = untrained("paper", dtype)
    for name, structure in random_structures(3):
        graphs = grouped_and_merged(structure, max_atoms, dtype, "sphere")
        assert_equal(model, dense_forward, *graphs, name)


def shifts_by_grouping(entries, max_atoms):
    """By how many eV the means of grouped distances move predictions."""
    model = untrained("paper", torch.float64)
    for entry in entries:
        structure, dtype = entry.read().structure, torch.float64
        data = encode_structure(structure, max_atoms=max_atoms, dtype=dtype)
        shift = model.raw_output(MergeEquivalent()(data)) - model.raw_output(data)
        yield shift.abs().item()


@torch.no_grad()
def test_grouping_distances_hardly_moves_predictions():
    assert max(shifts_by_grouping(chosen_entries()[:40], 50)) < 1e-8


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("max_atoms", ATOMS)
def test_grouping_distances_hardly_moves_any_prediction(max_atoms):
    shifts = list(shifts_by_grouping(chosen_entries(), max_atoms))
    assert max(shifts) < 1e-7
    assert np.median(shifts) < 1e-12
