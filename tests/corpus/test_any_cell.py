"""Any cell, any coordinates, any species: a named error, or a graph that is right."""

from __future__ import annotations

import warnings
from contextlib import suppress
from itertools import product

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from pyg_sitenet.data.graph.encode import encode_structure
from pyg_sitenet.data.structure.dictionary import structure_from_dict
from pyg_sitenet.data.structure.load import check_structure
from pyg_sitenet.errors import SiteNetError, SiteNetWarning

# Deuterium is told of, and used.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*deuterium counts as hydrogen:pyg_sitenet.errors.SiteNetWarning"
)

QUICK = settings(
    max_examples=60,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
MANY = settings(QUICK, max_examples=1000)

ELEMENTS = st.sampled_from(["H", "Li", "O", "Fe", "Cs", "Pb", "Xe", "Og", "D", "X"])
LENGTH = st.one_of(
    st.floats(2, 12),
    st.floats(-12, 12),
    st.sampled_from([0.0, 0.1, 0.5, 100.0, 1e3, 1e6, 1e-300, 1e300]),
)
ANYTHING = st.one_of(LENGTH, st.floats(allow_nan=True, allow_infinity=True))
COORDINATE = st.one_of(
    st.floats(0, 1),
    st.sampled_from([0.0, 0.25, 1 / 3, 0.5, 2 / 3, 1.0, -0.5, 1 - 1e-16, 1e5, 1e300]),
)


def vectors(numbers: st.SearchStrategy[float], count: int) -> st.SearchStrategy[list]:
    return st.lists(
        st.tuples(numbers, numbers, numbers), min_size=count, max_size=count
    )


def crystals(lengths: st.SearchStrategy[float]) -> st.SearchStrategy[dict]:
    """Give lattice, species and coordinates, most of them usable with plain lengths."""

    def build(count: int) -> st.SearchStrategy[dict]:
        return st.fixed_dictionaries(
            {
                "lattice": st.one_of(
                    vectors(lengths, 3),
                    st.tuples(*[st.floats(2, 9)] * 3).map(
                        lambda d: np.diag(d).tolist()
                    ),
                ),
                "species": st.lists(ELEMENTS, min_size=count, max_size=count),
                "frac_coords": vectors(COORDINATE, count),
            }
        )

    return st.integers(0, 5).flatmap(build)


@st.composite
def usable_crystals(draw: st.DrawFn) -> dict:
    """Give crystals with room for every atom, in cells as skewed as one likes."""
    count = draw(st.integers(1, 5))
    places = draw(st.permutations(list(product((0, 1), repeat=3))))[:count]
    noise = draw(vectors(st.floats(-0.1, 0.1), count))
    lattice = np.diag(draw(st.tuples(*[st.floats(5, 12)] * 3)))
    lattice[np.tril_indices(3, -1)] = draw(st.tuples(*[st.floats(-60, 60)] * 3))
    cartesian = (np.array(places) / 2 + noise) @ np.diag(np.diag(lattice))
    species = st.sampled_from(["H", "Li", "O", "Fe", "Xe", "D", "Es"])
    return {
        "lattice": lattice[draw(st.permutations(range(3)))].tolist(),
        "species": draw(st.lists(species, min_size=count, max_size=count)),
        "frac_coords": (cartesian @ np.linalg.inv(lattice)).tolist(),
    }


def _encode(structure: Structure, environment: str):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SiteNetWarning)
        return encode_structure(structure, max_atoms=20, environment=environment)


def _judge(values: dict, environment: str) -> None:
    try:
        data = _encode(
            check_structure(structure_from_dict(values, "x"), "x"), environment
        )
    except SiteNetError:
        return
    event("encoded")
    n = data.num_nodes
    sender, receiver = data.edge_index.numpy()
    distance, coulomb = data.edge_attr.numpy().T
    assert 1 <= n <= len(values["species"])
    assert (np.diff(receiver) >= 0).all()
    assert np.isfinite(data.x.numpy()).all()
    assert np.isfinite(coulomb).all()
    assert (distance >= 0).all()
    assert np.isfinite(distance).all()
    determinant = round(abs(np.linalg.det(data.supercell_matrix[0].double().numpy())))
    assert determinant == int(data.num_images)
    # Whatever i sees of j, j sees of i: equal multisets of distances.
    for i, j in product(range(n), range(n)):
        there = np.sort(distance[(receiver == i) & (sender == j)])
        back = np.sort(distance[(receiver == j) & (sender == i)])
        np.testing.assert_allclose(there, back, rtol=1e-4, atol=1e-4)
    if environment == "supercell":
        assert data.num_edges == n * n * determinant
        assert ((distance == 0).sum()) == n


def _plain_distances(structure: Structure, reach: int) -> np.ndarray:
    """Minimum-image distances by a loop over cells, [n, n]."""
    cell, frac = structure.lattice.matrix, structure.frac_coords
    steps = np.array(list(product(range(-reach, reach + 1), repeat=3))) @ cell
    vectors = (frac[None] - frac[:, None]) @ cell
    return np.linalg.norm(vectors[:, :, None] + steps, axis=-1).min(-1)


@pytest.mark.parametrize("environment", ["supercell", "sphere"])
@given(values=crystals(LENGTH))
@QUICK
def test_cell_of_any_lengths(environment, values):
    _judge(values, environment)


@pytest.mark.parametrize("environment", ["supercell", "sphere"])
@given(values=crystals(ANYTHING))
@QUICK
def test_cell_of_any_numbers(environment, values):
    _judge(values, environment)


@pytest.mark.parametrize("environment", ["supercell", "sphere"])
@given(values=usable_crystals())
@QUICK
def test_crystal_in_any_cell(environment, values):
    _judge(values, environment)


@given(
    angles=st.tuples(*[st.floats(50, 130)] * 3),
    lengths=st.tuples(*[st.floats(2.5, 8)] * 3),
    coords=vectors(st.floats(0, 1), 3),
)
@QUICK
def test_distances_equal_those_of_a_plain_loop(angles, lengths, coords):
    try:
        lattice = Lattice.from_parameters(*lengths, *angles)
        # Three species: no two atoms are images, the cell is primitive.
        structure = check_structure(Structure(lattice, ["Li", "O", "Fe"], coords), "x")
        data = encode_structure(structure, max_atoms=3)
    except SiteNetError:
        return
    assert int(data.num_images) == 1
    order = {3: 0, 8: 1, 26: 2}
    expected = _plain_distances(structure, 5)
    where = [order[int(z)] for z in data.z]
    result = np.full((3, 3), np.nan)
    sender, receiver = data.edge_index.numpy()
    result[receiver, sender] = data.edge_attr[:, 0].numpy()
    np.testing.assert_allclose(result, expected[np.ix_(where, where)], atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("environment", ["supercell", "sphere"])
@given(values=st.one_of(usable_crystals(), crystals(LENGTH), crystals(ANYTHING)))
@MANY
def test_many_cells(environment, values):
    _judge(values, environment)


VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.text(max_size=5), inner, max_size=3),
    ),
    max_leaves=8,
)
KEYS = ["lattice", "species", "frac_coords", "sites", "lattice_vectors"]
KEYS += [
    "species_at_sites",
    "cartesian_site_positions",
    "dimension_types",
    "assemblies",
]


@given(values=st.dictionaries(st.sampled_from(KEYS), VALUES))
@settings(QUICK, max_examples=100)
def test_dictionary_of_anything_is_refused_by_name(values):
    with suppress(SiteNetError):
        check_structure(structure_from_dict(values, "x"), "x")


LETTERS = st.text(
    alphabet="data_lop#;'\"\n\t _.()0123456789-+eE?,CsNaClxyz", max_size=200
)


@pytest.mark.parametrize(
    "name", ["a.cif", "POSCAR", "a.extxyz", "t.csv", "t.json", "t.jsonl"]
)
@given(noise=LETTERS, cut=st.integers(0, 400))
@settings(QUICK, max_examples=25)
def test_noise_in_a_file_is_never_a_traceback(tmp_path_factory, read, name, noise, cut):
    good = Structure(Lattice.cubic(4.123), ["Cs", "Cl"], [[0, 0, 0], [0.5] * 3])
    formats = {"a.cif": "cif", "POSCAR": "poscar"}
    text = good.to(fmt=formats.get(name, "json"))
    if name == "a.extxyz":
        text = '2\nLattice="4 0 0 0 4 0 0 0 4" pbc="T T T"\nCs 0 0 0\nCl 2 2 2\n'
    elif name == "t.csv":
        text = 'id,structure,gap\na,"' + good.to(fmt="poscar") + '",1\n'
    path = tmp_path_factory.mktemp("noise", numbered=True) / name
    path.write_text(text[:cut] + noise + text[cut:])
    for record in read(path).records:
        assert len(record.structure) >= 1
