"""Vectors for other models: those of each crystal alone, in the order of its sites."""

import numpy as np
import pytest
import torch

from pyg_sitenet.analysis.vector_file import write_embeddings
from pyg_sitenet.data.graph.encode import encode_structure
from pyg_sitenet.data.records import Failure
from pyg_sitenet.errors import DataError

FAILURE = Failure("bad.cif", "bad", "read", "no atoms", "repair it")


def load(folder):
    with np.load(folder / "vectors.npz", allow_pickle=False) as file:
        return dict(file)


@pytest.mark.parametrize("merge", ["true", "false"])
def test_vectors_are_those_of_each_crystal_alone(
    make_predictor, entries, tmp_path, merge
):
    predictor = make_predictor(f"data.merge={merge}")
    result = write_embeddings(predictor, entries, tmp_path / "vectors.npz")
    vectors = load(tmp_path)
    assert vectors["id"].tolist() == [entry.id for entry in entries]
    assert vectors["formula"].tolist()[:2] == ["NaCl", "TiO2"]
    assert result.sites == len(vectors["sites"]) == 2 + 6 + 9 + 32
    model = predictor.model
    for number, entry in enumerate(entries):
        graph = encode_structure(entry.content, max_atoms=20, environment="sphere")
        with torch.no_grad():
            expected = model.embed(graph)
            value = model(graph)
        is_site = vectors["crystal_of_site"] == number
        np.testing.assert_array_equal(vectors["z"][is_site], graph.z)
        np.testing.assert_allclose(vectors["sites"][is_site], expected.sites, atol=1e-4)
        np.testing.assert_allclose(
            vectors["crystals"][number], expected.crystals[0], atol=1e-4
        )
        np.testing.assert_allclose(vectors["predictions"][number], value[0], atol=1e-4)


def test_a_linear_model_on_the_vectors_is_the_model(predictor, entries, tmp_path):
    write_embeddings(predictor, entries, tmp_path / "vectors.npz")
    vectors = load(tmp_path)
    linear = predictor.model.readout.linear
    values = vectors["crystals"] @ linear.weight.detach().numpy().T
    np.testing.assert_allclose(
        values + linear.bias.detach().numpy(), vectors["predictions"], atol=1e-5
    )


def test_failures_are_listed_and_leave_no_gap(predictor, entries, tmp_path):
    result = write_embeddings(
        predictor, [entries[0], FAILURE, entries[1]], tmp_path / "vectors.npz"
    )
    vectors = load(tmp_path)
    assert (result.crystals, result.failures) == (2, [FAILURE])
    assert np.unique(vectors["crystal_of_site"]).tolist() == [0, 1]


def test_nothing_usable_leaves_no_file(predictor, tmp_path):
    with pytest.raises(DataError, match=r"no crystal can be embedded \(1 failed\)"):
        write_embeddings(predictor, [FAILURE], tmp_path / "vectors.npz")
    assert list(tmp_path.iterdir()) == []


def test_other_endings_are_refused(predictor, entries, tmp_path):
    with pytest.raises(DataError, match=r"name it \*\.npz"):
        write_embeddings(predictor, entries, tmp_path / "vectors.pkl")


def test_place_that_cannot_be_written_is_named(predictor, entries, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot be written: .*; choose another"):
        write_embeddings(predictor, entries, tmp_path / "file" / "vectors.npz")
