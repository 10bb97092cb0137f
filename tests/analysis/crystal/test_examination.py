"""A crystal taken apart: every pair in its place, sums and gradients right."""

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose

from pyg_sitenet.analysis.crystal.crystal_tables import (
    element_table,
    examine_crystals,
    shell_table,
)
from pyg_sitenet.analysis.crystal.examination import examine_crystal
from pyg_sitenet.analysis.crystal.pair_table import attention_column
from pyg_sitenet.data.graph.encode import encode_structure
from pyg_sitenet.data.records import Failure

HEADS = [(block, head) for block in (1, 2) for head in (1, 2)]
GRADIENT = "distance gradient of gap [eV]"


@pytest.fixture(params=["supercell", "sphere"])
def predictor(request, make_predictor):
    return make_predictor(f"data.environment={request.param}", "data.max_atoms=40")


@pytest.fixture
def examination(predictor, rutile):
    return examine_crystal(predictor, rutile)


def graph_of(predictor, crystal, **options):
    data = predictor.description.config.data
    return encode_structure(
        crystal, max_atoms=data.max_atoms, environment=data.environment, **options
    )


def test_attention_is_that_of_every_pair_without_merging(
    predictor, rutile, examination
):
    graph = graph_of(predictor, rutile)
    with torch.no_grad():
        attention = predictor.model.attention(graph)
    assert_allclose(examination.pairs["distance [A]"], graph.edge_attr[:, 0], atol=1e-6)
    assert np.array_equal(examination.pairs[["sender", "receiver"]].T, graph.edge_index)
    for block, head in HEADS:
        column = examination.pairs[attention_column(block, head)]
        assert_allclose(column, attention.weights[block - 1][:, head - 1], atol=1e-6)


def test_vectors_are_as_long_as_the_distances_and_lead_to_an_image(examination):
    apart = examination.pairs[["x [A]", "y [A]", "z [A]"]].to_numpy()
    assert_allclose(
        np.linalg.norm(apart, axis=1), examination.pairs["distance [A]"], atol=1e-5
    )
    frac, cell = examination.primitive.frac_coords, examination.primitive.lattice.matrix
    pairs = examination.pairs
    between = frac[pairs["sender"]] - frac[pairs["receiver"]]
    steps = apart @ np.linalg.inv(cell) - between
    assert_allclose(steps, steps.round(), atol=1e-6)


def test_prediction_is_that_of_the_predictor(predictor, rutile, examination):
    assert examination.prediction["gap"] == pytest.approx(
        predictor.predict(rutile)["gap [eV]"][0], abs=1e-5
    )
    assert examination.formula == "TiO2"


def test_attention_received_adds_up_to_one(examination):
    for block, head in HEADS:
        received = examination.sites[f"attention received in block {block} head {head}"]
        assert received.sum() == pytest.approx(1)


def test_equal_sites_share_a_class_and_their_values(examination):
    for _, rows in examination.sites.groupby("element"):
        assert rows["class"].nunique() == 1
        assert np.ptp(rows["integrated gradient of gap [eV]"]) < 1e-9


def test_gradient_by_the_positions_is_that_of_moved_atoms(predictor, triclinic):
    result = examine_crystal(predictor, triclinic)
    site, direction = 5, np.array([0.6, -0.48, 0.64])
    columns = [f"gradient of gap [eV] along {axis}" for axis in "xyz"]
    slope = float(result.sites.loc[site, columns].to_numpy(dtype=float) @ direction)
    values = []
    for step in (1e-4, -1e-4):
        moved = result.primitive.copy()
        moved.translate_sites([site], direction * step, frac_coords=False)
        graph = graph_of(predictor, moved, dtype=torch.float64)
        values.append(predictor.model(graph).item())
    assert slope == pytest.approx((values[0] - values[1]) / 2e-4, rel=5e-3)


def test_elements_attend_to_all_elements_together_as_one(examination):
    table = element_table(examination)
    total = table.groupby(["block", "head", "receiver element"])["attention"].sum()
    assert_allclose(total, 1, atol=1e-6)
    assert (table["mean distance [A]"] <= examination.pairs["distance [A]"].max()).all()
    assert table["pairs"].sum() == len(HEADS) * len(examination.pairs)


def test_shells_add_up_to_all_attention(examination):
    table = shell_table(examination)
    total = table.groupby(["block", "head"])["share of attention"].sum()
    assert_allclose(total, 1, atol=1e-6)
    own = table[table["distance to [A]"] == 0]
    assert own["pairs"].tolist() == [6] * len(HEADS)


def test_pairs_beyond_a_cutoff_have_no_attention(make_predictor, rutile):
    predictor = make_predictor("model.distance_cutoff=3.0", "data.max_atoms=40")
    pairs = examine_crystal(predictor, rutile).pairs
    far = pairs["distance [A]"] > 3
    assert far.any()
    assert (pairs.loc[far, attention_column(1, 1)] == 0).all()
    assert pairs.loc[~far, attention_column(1, 1)].sum() == pytest.approx(6)


def test_crystals_are_examined_by_id_each_in_its_folder(predictor, entries, tmp_path):
    ids = ["rutile", "salt", "nobody"]
    files, failures = examine_crystals(predictor, entries, ids, tmp_path)
    assert {file.partition("/")[0] for file in files} == {"rutile", "salt"}
    assert all((tmp_path / file).is_file() for file in files)
    assert len(pd.read_csv(tmp_path / "rutile" / "sites.csv")) == 6
    assert [failure.reason for failure in failures] == ["no crystal with this id"]


def test_ids_are_made_safe_folder_names(predictor, entries, tmp_path):
    from dataclasses import replace

    odd = [replace(entries[0], id="../a b"), replace(entries[1], id="x/a?b")]
    files, _ = examine_crystals(predictor, odd, [item.id for item in odd], tmp_path)
    assert {file.partition("/")[0] for file in files} == {"a-b", "a-b-2"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-b", "a-b-2"]


def test_crystal_that_failed_before_is_listed(predictor, tmp_path):
    bad = Failure("bad.cif", "bad", "read", "no atoms", "repair it")
    files, failures = examine_crystals(predictor, [bad], ["bad"], tmp_path)
    assert (files, [failure.reason for failure in failures]) == ([], ["no atoms"])
