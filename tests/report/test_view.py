import numpy as np
import pytest

from pyg_sitenet.data.geometry.primitive import to_primitive
from pyg_sitenet.data.graph.encode import encode_structure
from pyg_sitenet.errors import DataError
from pyg_sitenet.report import view_crystal
from pyg_sitenet.report.view import MAX_PAIRS
from pyg_sitenet.transforms import MergeEquivalent

ENVIRONMENTS = ("supercell", "sphere")


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_attention_of_each_site_and_head_sums_to_one(
    make_predictor, triclinic, environment
):
    predictor = make_predictor(f"data.environment={environment}")
    view = view_crystal(predictor, triclinic, "kyanite")
    assert len(view.surroundings) == len(view.elements) == 32
    for surrounding in view.surroundings:
        np.testing.assert_allclose(surrounding.attention.sum(axis=-1), 1, rtol=1e-12)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("name", ["salt", "quartz", "kyanite"])
def test_atoms_stand_at_their_distances(make_predictor, crystals, environment, name):
    predictor = make_predictor(f"data.environment={environment}")
    view = view_crystal(predictor, crystals[name], name)
    for surrounding in view.surroundings:
        apart = np.linalg.norm(surrounding.position - surrounding.position[0], axis=1)
        np.testing.assert_allclose(apart, surrounding.distance, atol=1e-8)
        assert surrounding.distance[0] == 0
        assert (np.diff(surrounding.distance) >= 0).all()


def test_atoms_are_those_of_the_crystal(make_predictor, quartz):
    view = view_crystal(make_predictor(), quartz, "quartz")
    lattice = to_primitive(quartz).lattice
    home = np.stack([surrounding.position[0] for surrounding in view.surroundings])
    for surrounding in view.surroundings:
        step = (surrounding.position - home[surrounding.sender]) @ np.linalg.inv(
            lattice.matrix
        )
        np.testing.assert_allclose(step, np.rint(step), atol=1e-9)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_attention_is_that_of_the_merged_crystal(make_predictor, rutile, environment):
    predictor = make_predictor(f"data.environment={environment}")
    view = view_crystal(predictor, rutile, "rutile")
    graph = MergeEquivalent()(
        encode_structure(rutile, max_atoms=30, environment=environment).apply(
            lambda tensor: tensor.double() if tensor.is_floating_point() else tensor
        )
    )
    merged = predictor.model.attention(graph)
    titanium = int((graph.z == 22).nonzero()[0])
    weights = merged.weights[-1][merged.edge_index[1] == titanium, 0]
    surrounding = view.surroundings[view.elements.index("Ti")]
    near = np.unique(surrounding.distance.round(4))
    summed = [
        surrounding.attention[-1, 0][surrounding.distance.round(4) == d].sum()
        for d in near
    ]
    distance = merged.edge_attr[merged.edge_index[1] == titanium, 0].numpy().round(4)
    expected = [weights.detach().numpy()[distance == d].sum() for d in near]
    np.testing.assert_allclose(summed, expected, atol=1e-6)


def test_cutoff_leaves_atoms_out(make_predictor, nacl):
    view = view_crystal(make_predictor("model.distance_cutoff=3"), nacl, "salt")
    for surrounding in view.surroundings:
        assert (
            len(surrounding.distance) == 7
        )  # itself and six neighbours at 2.82 angstrom
        np.testing.assert_allclose(surrounding.attention.sum(axis=-1), 1, rtol=1e-12)


def test_crystal_that_is_too_large_is_an_error(make_predictor, triclinic):
    predictor = make_predictor("data.max_atoms=1000")
    with pytest.raises(DataError, match=rf"k: \d+ pairs .*at most {MAX_PAIRS}"):
        view_crystal(predictor, triclinic, "k")
