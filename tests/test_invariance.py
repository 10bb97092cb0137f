"""What a prediction must not depend on, over random cases and in both precisions."""

import numpy as np
import pytest
import torch
from pymatgen.core import Lattice, Structure
from torch_geometric.data import Batch

from pyg_sitenet.data.graph.encode import encode_structure
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.transforms import MergeEquivalent

DTYPES = [torch.float32, torch.float64]
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
SEEDS = range(4)


def crystals():
    """Real crystals from cubic to triclinic."""
    cubic = Lattice.cubic
    return {
        "NaCl": Structure.from_spacegroup(
            "Fm-3m", cubic(5.6402), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]
        ),
        "quartz": Structure.from_spacegroup(
            "P3_121",
            Lattice.hexagonal(4.9137, 5.4047),
            ["Si", "O"],
            [[0.4697, 0, 1 / 3], [0.4133, 0.2672, 0.2144]],
        ),
        "CuSO4.5H2O framework": TRICLINIC,
    }


# Chalcanthite without its hydrogen atoms (Bacon & Titterton 1975), triclinic P-1.
TRICLINIC = Structure.from_spacegroup(
    "P-1",
    Lattice.from_parameters(6.141, 10.736, 5.986, 82.27, 107.43, 102.67),
    ["Cu", "Cu", "S", "O", "O", "O", "O", "O", "O", "O", "O", "O"],
    [
        [0, 0, 0], [0.5, 0.5, 0], [0.01, 0.29, 0.64],
        [0.91, 0.15, 0.67], [0.24, 0.32, 0.80], [0.86, 0.37, 0.64], [0.04, 0.30, 0.39],
        [0.82, 0.07, 0.15], [0.29, 0.12, 0.15], [0.47, 0.41, 0.30], [0.76, 0.42, 0.02],
        [0.43, 0.12, 0.63],
    ],
)  # fmt: skip
CRYSTALS = crystals()


@pytest.fixture(params=["paper", "default"])
def model(request):
    torch.manual_seed(0)
    return SiteNet.from_preset(request.param).eval()


def predict(model, structure, dtype, max_atoms=60, *, merge=True):
    data = encode_structure(structure, max_atoms=max_atoms, dtype=dtype)
    return model.to(dtype)(MergeEquivalent()(data) if merge else data)


def random_rotation(rng):
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return q * np.sign(np.linalg.det(q))


def random_unimodular(rng):
    matrix = np.eye(3, dtype=int)
    for _ in range(4):
        i, j = rng.choice(3, size=2, replace=False)
        matrix[i] += int(rng.integers(-1, 2)) * matrix[j]
    return matrix


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", CRYSTALS)
def test_order_rotation_and_translation(model, name, seed, dtype):
    rng = np.random.default_rng(seed)
    crystal = CRYSTALS[name]
    order = rng.permutation(len(crystal))
    moved = Structure(
        Lattice(crystal.lattice.matrix @ random_rotation(rng)),
        [crystal[i].specie for i in order],
        crystal.frac_coords[order] + rng.uniform(-2, 2, size=3),
    )
    torch.testing.assert_close(
        predict(model, moved, dtype),
        predict(model, crystal, dtype),
        rtol=max(TOLERANCE[dtype], 1e-6),
        atol=max(TOLERANCE[dtype], 1e-6) * 10,
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", CRYSTALS)
def test_any_setting_of_the_cell(model, name, seed, dtype):
    rng = np.random.default_rng(seed)
    crystal = CRYSTALS[name]
    expected = predict(model, crystal, dtype)
    doubled = crystal.copy()
    doubled.make_supercell(np.diag(rng.permutation([2, 1, 1])))
    for base in (crystal, doubled):
        other = base.copy()
        other.make_supercell(random_unimodular(rng))
        result = predict(model, other, dtype)
        torch.testing.assert_close(result, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_batch_a_crystal_is_in(model, dtype):
    model = model.to(dtype)
    graphs = [
        encode_structure(crystal, max_atoms=60, dtype=dtype)
        for crystal in CRYSTALS.values()
    ]
    alone = torch.cat([model(graph) for graph in graphs])
    for order in ([0, 1, 2], [2, 0, 1], [1, 1, 0]):
        together = model(Batch.from_data_list([graphs[i] for i in order]))
        tolerance = TOLERANCE[dtype]
        torch.testing.assert_close(
            together, alone[order], rtol=tolerance, atol=tolerance
        )


@pytest.mark.parametrize("merge", [False, True])
def test_no_gradient_between_crystals_of_a_batch(model, merge):
    graphs = [encode_structure(crystal, max_atoms=60) for crystal in CRYSTALS.values()]
    if merge:
        graphs = [MergeEquivalent()(graph) for graph in graphs]
    batch = Batch.from_data_list(graphs)
    batch.x.requires_grad_()
    batch.edge_attr.requires_grad_()
    for crystal in range(batch.num_graphs):
        out = model(batch)[crystal].sum()
        by_site, by_pair = torch.autograd.grad(out, (batch.x, batch.edge_attr))
        other_sites = batch.batch != crystal
        assert (by_site[other_sites] == 0).all()
        assert (by_pair[other_sites[batch.edge_index[1]]] == 0).all()
        assert by_site[~other_sites].abs().max() > 0
        assert by_pair[~other_sites[batch.edge_index[1]]].abs().max() > 0


@pytest.mark.parametrize("max_atoms", [24, 60, 200])
@pytest.mark.parametrize("name", CRYSTALS)
def test_merging_changes_nothing(model, name, max_atoms):
    full, merged = (
        predict(model, CRYSTALS[name], torch.float64, max_atoms, merge=merge)
        for merge in (False, True)
    )
    torch.testing.assert_close(merged, full, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("name", CRYSTALS)
def test_the_sphere_is_the_same_for_every_setting_and_supercell(model, name):
    crystal, values = CRYSTALS[name], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        other = crystal.copy()
        other.make_supercell(np.diag(rng.permutation([1 + seed % 3, 1, 1])))
        other.make_supercell(random_unimodular(rng))
        other = Structure(
            Lattice(other.lattice.matrix @ random_rotation(rng)),
            other.species,
            other.frac_coords + rng.uniform(-2, 2, size=3),
        )
        values.append(predict_in_sphere(model, other))
    spread = max(values) - min(values)
    assert spread <= 1e-10 * max(abs(value) for value in values)


# Four atoms are exactly at the radius of 100: strain takes two in and two out.
AT_THE_RADIUS = Structure(
    Lattice.tetragonal(3, 3 * 4 * np.pi * 27 / (3 * 100) * 2),
    ["Cs", "Cl"],
    [[0] * 3, [0.5] * 3],
)


@pytest.mark.parametrize("name", ["quartz", "CuSO4.5H2O framework", "at the radius"])
@pytest.mark.parametrize("direction", [[1, 1, 1], [1, -1, 0], [1, -0.5, -0.5]])
def test_the_sphere_answers_a_small_strain_in_proportion(model, name, direction):
    crystal, changes = CRYSTALS.get(name, AT_THE_RADIUS), []
    for strain in (1e-6, 1e-5):
        strained = crystal.copy()
        strained.apply_strain(strain * np.array(direction))
        change = predict_in_sphere(model, strained)
        changes.append(change - predict_in_sphere(model, crystal))
    # By symmetry the change may be of second order; a step would be of none.
    small, large = (abs(change) for change in changes)
    assert small <= 1.01 * large / 10 + 1e-12
    assert large < 1e-3


def predict_in_sphere(model, structure):
    data = encode_structure(
        structure, max_atoms=100, environment="sphere", dtype=torch.float64
    )
    return model.double().raw_output(MergeEquivalent()(data)).item()
