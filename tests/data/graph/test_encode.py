"""The graph of a crystal against the reference, and what it must not depend on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from pymatgen.core import Lattice, Structure

from pyg_sitenet.data.graph.encode import encode_structure
from pyg_sitenet.errors import ConfigError, SiteNetWarning

REFERENCE = Path(__file__).parents[2] / "reference"
SUPERCELLS = json.loads((REFERENCE / "supercells.json").read_text())
INPUTS = np.load(REFERENCE / "inputs.npz")
CASES = sorted({name.rsplit("/", 1)[0] for name in INPUTS.files})


def reference_crystal(case):
    name = case.partition("/")[0]
    entry = SUPERCELLS[name.removesuffix("_oxi")]["input"]
    crystal = Structure(Lattice(entry["lattice"]), entry["Z"], entry["frac"])
    if name.endswith("_oxi"):
        crystal.add_oxidation_state_by_element({"Na": 1, "Cl": -1})
    return crystal


def pair_table(data):
    """Return (receiver Z, sender Z, distance, log Coulomb) of all pairs, in order."""
    sender, receiver = data.edge_index
    columns = [data.z[receiver], data.z[sender], *data.edge_attr.T.round(decimals=6)]
    table = torch.stack([column.double() for column in columns], dim=1).numpy()
    return table[np.lexsort(table.T[::-1])]


@pytest.mark.parametrize("case", CASES)
def test_inputs_are_the_reference(case):
    max_atoms = int(case.partition("/")[2])
    data = encode_structure(
        reference_crystal(case), max_atoms=max_atoms, dtype=torch.float64
    )
    z, images = INPUTS[f"{case}/supercell_Z"], int(INPUTS[f"{case}/images"])
    pairs = INPUTS[f"{case}/Interaction_Feature_Tensor"]  # [n, N, 2]
    table = np.column_stack(
        [
            np.repeat(z[::images], len(z)),
            np.tile(z, len(pairs)),
            pairs.reshape(-1, 2).round(6),
        ]
    )
    assert np.abs(pair_table(data) - table[np.lexsort(table.T[::-1])]).max() < 1e-6
    sites = np.column_stack(
        [INPUTS[f"{case}/Site_Feature_Tensor"], INPUTS[f"{case}/Oxidation_State"]]
    )
    x = data.x.numpy()
    assert np.allclose(x[np.lexsort(x.T)], sites[np.lexsort(sites.T)], atol=1e-6)
    assert data.num_images.item() == images


def test_fields_have_the_documented_shapes(rutile):
    data = encode_structure(rutile, max_atoms=50)
    assert data.num_nodes == 6
    assert data.z.tolist() == [22, 22, 8, 8, 8, 8]
    assert data.x.shape == (6, 9)
    assert data.edge_index.shape == (2, 6 * 48)
    assert data.edge_attr.shape == (6 * 48, 2)
    assert data.cell.shape == data.supercell_matrix.shape == (1, 3, 3)
    assert data.num_images.tolist() == [8]
    assert data.x.dtype == data.edge_attr.dtype == data.cell.dtype == torch.float32
    receiver = data.edge_index[1]
    assert (receiver.diff() >= 0).all()
    assert receiver.bincount().tolist() == [48] * 6


def test_pair_features_by_hand(cscl):
    data = encode_structure(cscl, max_atoms=2, dtype=torch.float64)
    distance = 4.123 * 3**0.5 / 2
    cross = np.log(55 * 17 / (1.8897543760313331 * distance) + 1e-8)
    own = np.log([0.5 * 55**2.4 + 1e-8, 0.5 * 17**2.4 + 1e-8])
    expected = [[0, own[0]], [distance, cross], [distance, cross], [0, own[1]]]
    assert torch.allclose(data.edge_attr, torch.tensor(expected, dtype=torch.float64))


def test_log_coulomb_is_clipped():
    heaviest = Structure(Lattice.cubic(3), ["Og"], [[0, 0, 0]])
    data = encode_structure(heaviest, max_atoms=1)
    assert data.edge_attr.tolist() == [[0.0, 10.0]]


@pytest.mark.parametrize("z", range(1, 119))
def test_every_element_can_be_encoded(z):
    crystal = Structure(Lattice.cubic(3), [z], [[0, 0, 0]])
    data = encode_structure(crystal, max_atoms=8)
    assert data.z.tolist() == [z]
    assert data.x[0, 0] == z
    assert data.x.isfinite().all()
    assert data.edge_attr.isfinite().all()


def test_a_one_atom_cell_sees_its_images(iron):
    data = encode_structure(iron, max_atoms=20)
    assert data.num_nodes == 1
    assert data.edge_index.tolist() == [[0] * 18] * 2
    assert (data.edge_attr[:, 0] == 0).sum() == 1


def test_oxidation_states_are_kept_and_charges_are_not(nacl):
    ions = nacl.copy()
    ions.add_oxidation_state_by_element({"Na": 1, "Cl": -1})
    assert encode_structure(ions).x[:, 8].tolist() == [1, -1]
    assert encode_structure(nacl).x[:, 8].tolist() == [0, 0]
    atoms = Atoms("NaCl", [[0, 0, 0], [2.82, 0, 0]], cell=np.eye(3) * 5.64, pbc=True)
    atoms.set_initial_charges([1, -1])
    assert encode_structure(atoms).x[:, 8].tolist() == [0, 0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", ["nacl", "quartz", "vo2_m1", "triclinic"])
def test_graph_ignores_order_rotation_origin_and_cell(name, seed, dtype, request):
    crystal = request.getfixturevalue(name)
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.integers(-2, 3, (3, 3)), 1) + np.eye(3, dtype=int)
    lower = np.tril(rng.integers(-2, 3, (3, 3)), -1) + np.eye(3, dtype=int)
    matrix = upper @ lower
    large = crystal * [(1, 1, 1), (2, 1, 1)][seed % 2]
    frac = large.frac_coords @ np.linalg.inv(matrix) + rng.normal(size=3)
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    order = rng.permutation(len(frac))
    other = Structure(
        Lattice(matrix @ large.lattice.matrix @ rotation),
        [large[int(k)].specie for k in order],
        frac[order],
    )
    first, second = (
        encode_structure(c, max_atoms=100, dtype=dtype) for c in (crystal, other)
    )
    tolerance = 1e-5 if dtype == torch.float32 else 2e-6
    assert np.abs(pair_table(first) - pair_table(second)).max() < tolerance


def test_unfolded_form_holds_the_same_pairs(quartz):
    folded = encode_structure(quartz, max_atoms=50)
    unfolded = encode_structure(quartz, max_atoms=50, unfold=True)
    interacts = unfolded["atom", "interacts", "site"]
    site_of = unfolded["atom", "image_of", "site"].edge_index[1]
    sender, receiver = interacts.edge_index
    assert unfolded["atom"].num_nodes == 36
    assert torch.equal(unfolded["atom"].z, folded.z[site_of])
    assert torch.equal(torch.stack([site_of[sender], receiver]), folded.edge_index)
    assert torch.equal(interacts.edge_attr, folded.edge_attr)
    assert torch.equal(unfolded["site"].x, folded.x)


def test_a_large_primitive_cell_is_encoded_whole_with_a_warning(triclinic):
    with pytest.warns(SiteNetWarning, match="32 sites, more than max_atoms=10"):
        data = encode_structure(triclinic, max_atoms=10)
    assert data.num_edges == 32 * 32


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"environment": "box"}, "unknown environment 'box', expected one of: .*super"),
        ({"max_atoms": "20"}, "`max_atoms` must be a whole number above 0, got '20'"),
        ({"dtype": torch.long}, "`dtype` must be a floating type .* got torch.int64"),
        ({"dtype": "float32"}, "such as torch.float32, got 'float32'"),
        ({"max_atoms": 0}, "`max_atoms` must be a whole number above 0, got 0"),
        (
            {"primitive_tolerance": 0.0},
            "`primitive_tolerance` must be above 0 angstrom",
        ),
    ],
)
def test_impossible_settings_are_named(nacl, settings, message):
    with pytest.raises(ConfigError, match=message):
        encode_structure(nacl, **settings)
