"""Public transforms: the pairs of encode_structure, for any graph, with gradients."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from ase.build import molecule
from torch_geometric.data import Batch, Data
from torch_geometric.transforms import Compose

from pyg_sitenet import encode_structure
from pyg_sitenet.transforms import (
    CoulombPairs,
    MergeEquivalent,
    PeriodicRadiusGraph,
    Sphere,
    Supercell,
    pair_distances,
    pair_vectors,
)

TRANSFORMS = {"supercell": Supercell, "sphere": Sphere}


def graph(structure, dtype=torch.float64):
    """Return the plain graph of all atoms of a structure."""
    return Data(
        z=torch.tensor(structure.atomic_numbers),
        pos=torch.tensor(structure.cart_coords, dtype=dtype),
        cell=torch.tensor(structure.lattice.matrix.copy(), dtype=dtype)[None],
    )


@pytest.mark.parametrize("name", ["supercell", "sphere"])
def test_encode_structure_is_their_composition(quartz, name):
    encoded = encode_structure(
        quartz, max_atoms=60, environment=name, dtype=torch.float64
    )
    plain = Data(z=encoded.z, pos=encoded.pos, cell=encoded.cell)
    data = Compose([TRANSFORMS[name](60), CoulombPairs()])(plain)
    for key in ("edge_index", "edge_shift", "supercell_matrix", "num_images"):
        assert torch.equal(data[key].long(), encoded[key].long()), key
    torch.testing.assert_close(data.edge_attr, encoded.edge_attr, rtol=0, atol=1e-12)
    assert ("edge_weight" in data) == (name == "sphere")
    assert set(plain.keys()) == {"z", "pos", "cell"}


@pytest.mark.parametrize("name", ["supercell", "sphere"])
@pytest.mark.parametrize("crystal", ["triclinic", "iron", "quartz"])
def test_positions_and_shifts_give_the_distances(name, crystal, request):
    data = encode_structure(
        request.getfixturevalue(crystal),
        max_atoms=90,
        environment=name,
        dtype=torch.float64,
    )
    distance = data.edge_attr[:, 0]
    torch.testing.assert_close(pair_distances(data), distance, rtol=0, atol=1e-9)
    batch = Batch.from_data_list([data, data])
    expected = distance.repeat(2)
    torch.testing.assert_close(pair_distances(batch), expected, rtol=0, atol=1e-9)


def test_radius_graph_holds_the_neighbours(nacl, triclinic):
    data = PeriodicRadiusGraph(3.0)(graph(nacl))
    assert data.edge_index[1].bincount().tolist() == [6] * 8
    torch.testing.assert_close(data.edge_dist, torch.full((48,), 2.8201).double())
    mean = pair_vectors(data).view(8, 6, 3).mean(1)
    torch.testing.assert_close(mean, torch.zeros(8, 3).double())
    both = [PeriodicRadiusGraph(4.0, loop=True)(graph(c)) for c in (nacl, triclinic)]
    batch = PeriodicRadiusGraph(4.0, loop=True)(
        Batch.from_data_list([graph(nacl), graph(triclinic)])
    )
    assert torch.equal(batch.edge_index, Batch.from_data_list(both).edge_index)
    assert torch.equal(batch.edge_dist, torch.cat([part.edge_dist for part in both]))


def test_molecules_need_no_cell():
    atoms = molecule("CH4")
    data = Data(z=torch.tensor(atoms.numbers), pos=torch.tensor(atoms.positions))
    data = Compose([PeriodicRadiusGraph(1.5), CoulombPairs()])(data)
    assert data.num_edges == 8
    assert data.edge_attr.isfinite().all()
    torch.testing.assert_close(pair_distances(data), data.edge_dist)


def test_pairs_that_are_found_anew_replace_the_old_ones(quartz):
    data = encode_structure(quartz, max_atoms=60, environment="sphere")
    short = PeriodicRadiusGraph(2.0)(data)
    assert not {"edge_attr", "edge_weight"} & set(short.keys())
    assert short.validate()
    assert short.edge_index[1].bincount().tolist() == [4, 4, 4, 2, 2, 2, 2, 2, 2]


@pytest.mark.parametrize("transform", [Sphere(40), PeriodicRadiusGraph(4.5)])
def test_gradients_by_positions_and_cell_are_exact(quartz, transform):
    plain = graph(quartz)
    compose = Compose([transform, CoulombPairs()])

    def features(pos, cell):
        data = compose(Data(z=plain.z, pos=pos, cell=cell))
        weight = data.edge_weight if "edge_weight" in data else 1
        return (data.edge_attr.cos() * torch.as_tensor(weight).view(-1, 1)).sum(0)

    inputs = (plain.pos.requires_grad_(), plain.cell.requires_grad_())
    assert torch.autograd.gradcheck(features, inputs, rtol=1e-6, atol=1e-6)
    with torch.no_grad():
        without = compose(plain)
    torch.testing.assert_close(
        compose(plain).edge_attr, without.edge_attr, rtol=0, atol=1e-12
    )


@pytest.mark.parametrize(
    ("transform", "fields", "message"),
    [
        (Sphere(9), {"pos": torch.zeros(1, 3)}, r"must have `cell` \[1, 3, 3\]"),
        (Sphere(9), {"cell": torch.eye(3)}, r"`pos` must .* got nothing"),
        (Supercell(9), {"pos": torch.zeros(2)}, r"`pos` must have shape .* got \[2\]"),
        (
            Supercell(9),
            {"pos": torch.zeros(1, 3), "cell": torch.zeros(2, 3, 3)},
            r"`cell` must have shape \[1, 3, 3\], got \[2, 3, 3\]",
        ),
        (
            PeriodicRadiusGraph(3),
            {"pos": torch.zeros(1, 3), "cell": torch.zeros(1, 3, 3)},
            "`cell` must have a volume",
        ),
        (PeriodicRadiusGraph(3), {"pos": torch.full((1, 3), np.nan)}, "be finite"),
        (
            PeriodicRadiusGraph(3),
            {"pos": torch.zeros(1, 3), "cell": np.eye(3)},
            "`cell` must be a tensor, got ndarray; see torch.tensor",
        ),
        (Sphere(9), {"pos": [[0.0, 0, 0]]}, "`pos` must be a tensor, got list"),
        (CoulombPairs(), {"z": torch.ones(1)}, "must have `edge_index`; CoulombPairs"),
    ],
)
def test_what_is_missing_is_named(transform, fields, message):
    with pytest.raises(ValueError, match=message):
        transform(Data(**fields))


def test_merged_graphs_have_no_vectors(quartz):
    merged = MergeEquivalent()(encode_structure(quartz, max_atoms=30))
    with pytest.raises(ValueError, match=r"must have `pos`.*leave out MergeEquivalent"):
        pair_vectors(merged)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sphere(0), "`max_atoms` must be at least 1 and finite, got 0"),
        (lambda: Sphere(math.nan), "`max_atoms` must be .* got nan"),
        (lambda: Supercell("10"), "`max_atoms` must be .* got '10'"),
        (lambda: PeriodicRadiusGraph(-1.0), "`radius` .* number above 0, got -1.0"),
        (lambda: PeriodicRadiusGraph("5"), "`radius` must be a finite .* got '5'"),
        (lambda: PeriodicRadiusGraph(None), "`radius` must be a finite .* got None"),
        (lambda: PeriodicRadiusGraph([5]), r"`radius` must be a finite .* got \[5\]"),
        (lambda: PeriodicRadiusGraph(torch.ones(2)), "`radius` must be a finite"),
        (lambda: PeriodicRadiusGraph(10**400), "`radius` must be a finite"),
    ],
)
def test_impossible_settings_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    "radius", [4, np.float32(4), np.array(4), torch.tensor(4.0), Fraction(4)]
)
def test_radius_may_be_a_number_of_any_library(cscl, radius):
    transform = PeriodicRadiusGraph(radius)
    assert repr(transform) == "PeriodicRadiusGraph(4.0, loop=False)"
    assert transform(graph(cscl)).edge_index.size(1) == 2 * 8


def test_repr_names_the_settings():
    shown = [repr(t) for t in (Sphere(9), Supercell(8), PeriodicRadiusGraph(3.5))]
    assert shown == [
        "Sphere(9)",
        "Supercell(8)",
        "PeriodicRadiusGraph(3.5, loop=False)",
    ]
