"""Disordered crystals: the mean over their orderings, and how they differ."""

from __future__ import annotations

import warnings
from itertools import product

import numpy as np
import pytest
import torch

from pyg_sitenet import load_predictor
from pyg_sitenet.config import DataConfig
from pyg_sitenet.data.disorder import order_structure
from pyg_sitenet.data.records import Failure, Record
from pyg_sitenet.errors import ConfigError, SiteNetError
from pyg_sitenet.model_file import save_model
from pyg_sitenet.prediction import Predictor

SPREAD = ["gap std [eV]", "gap min [eV]", "gap max [eV]", "orderings", "misfit"]


@pytest.fixture
def make_predictor(small_predictor):
    def make(disorder, **settings):
        data = DataConfig(
            max_atoms=8, environment="sphere", disorder=disorder, **settings
        )
        return Predictor(small_predictor.model, small_predictor.description, data=data)

    return make


@pytest.fixture(autouse=True)
def _elements_unseen():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "0: the model has never seen K")
        yield


@pytest.mark.parametrize("method", ["sample", "enumerate"])
def test_the_value_is_the_weighted_mean_over_the_orderings(
    make_predictor, mixed_salt, method
) -> None:
    (row,) = make_predictor(method).predict(mixed_salt).to_dict("records")
    result = order_structure(mixed_salt, method, max_atoms=8)
    plain = make_predictor("error")
    values = np.array(
        [plain.predict(structure)["gap [eV]"][0] for structure in result.structures]
    )
    mean = np.average(values, weights=result.weights)
    std = np.sqrt(np.average((values - mean) ** 2, weights=result.weights))
    assert row["gap [eV]"] == pytest.approx(mean, abs=1e-6)
    assert row["gap std [eV]"] == pytest.approx(std, abs=1e-6)
    assert row["gap min [eV]"] == pytest.approx(values.min(), abs=1e-6)
    assert row["gap max [eV]"] == pytest.approx(values.max(), abs=1e-6)
    assert (row["orderings"], row["misfit"]) == (len(values), 0)
    assert std > 0


def test_ordered_crystals_are_not_changed(make_predictor, nacl) -> None:
    plain, orders = make_predictor("error"), make_predictor("sample")
    table = orders.predict(nacl)
    assert list(table.columns) == ["id", "formula", "gap [eV]", *SPREAD]
    assert table["gap [eV]"].equals(plain.predict(nacl)["gap [eV]"])
    assert table["orderings"].tolist() == [1]
    assert table[SPREAD[:3]].isna().all(axis=None)
    assert list(plain.predict(nacl).columns) == ["id", "formula", "gap [eV]"]


def test_disorder_is_refused_unless_asked_for(make_predictor, mixed_salt) -> None:
    with pytest.raises(SiteNetError, match=r"structure 0: disordered.*--disorder"):
        make_predictor("error").predict(mixed_salt)


def test_what_is_drawn_depends_on_crystal_and_seed_alone(
    make_predictor, mixed_salt, nacl
) -> None:
    predictor = make_predictor("sample", orderings=2)
    alone = predictor.predict(mixed_salt)["gap [eV]"][0]
    crystals = [nacl, mixed_salt, nacl, mixed_salt]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        here = predictor.predict(crystals)["gap [eV]"]
        elsewhere = predictor.predict(crystals, workers=2)["gap [eV]"]
    assert here[1] == pytest.approx(alone, abs=1e-6)
    assert here[3] == pytest.approx(alone, abs=1e-6)
    assert here.tolist() == elsewhere.tolist()


def test_many_orderings_are_predicted_in_parts(make_predictor, mixed_salt) -> None:
    whole = make_predictor("sample", orderings=4).predict(mixed_salt)
    sizes: list[int] = []
    small = make_predictor("sample", orderings=4, max_sites=5)
    small.model.register_forward_pre_hook(
        lambda _, inputs: sizes.append(inputs[0].num_nodes)
    )
    parted = small.predict(mixed_salt)
    assert len(sizes) > 1
    np.testing.assert_allclose(
        whole.iloc[0, 2:7].astype(float), parted.iloc[0, 2:7].astype(float), atol=1e-5
    )


def test_an_ordering_without_a_finite_value_is_a_failure(
    make_predictor, mixed_salt
) -> None:
    predictor = make_predictor("sample")
    with torch.no_grad():
        next(predictor.model.parameters()).fill_(torch.nan)
    (failure,) = predictor.predict_records([Record("a", mixed_salt, {}, "a.cif")])
    assert isinstance(failure, Failure)
    assert failure.stage == "predict"


def test_settings_of_a_loaded_predictor_can_be_chosen(
    small_predictor, tmp_path, mixed_salt
) -> None:
    path = tmp_path / "model.safetensors"
    save_model(path, small_predictor.model, small_predictor.description)
    predictor = load_predictor(path, disorder="sample", orderings=1, disorder_seed=4)
    data = predictor.data
    assert (data.disorder, data.orderings, data.disorder_seed) == ("sample", 1, 4)
    assert predictor.predict(mixed_salt)["orderings"][0] == 1
    assert load_predictor(path).data.disorder == "error"
    for wrong in ({"disorder": "guess"}, {"orderings": 0}):
        (name,) = wrong
        with pytest.raises(ConfigError, match=f"load_predictor: data.{name}: "):
            load_predictor(path, **wrong)


def test_headings_name_each_target_and_kind(small_predictor) -> None:
    description = small_predictor.description.model_copy(
        update={"targets": ("gap", "n")}
    )
    predictor = Predictor(
        small_predictor.model, description, data=DataConfig(disorder="sample")
    )
    table = predictor.predict([])
    kinds = [f"{t} {k}{u}" for (t, u), k in product(
        (("gap", " [eV]"), ("n", "")), ("std", "min", "max"))]  # fmt: skip
    assert list(table.columns)[4:] == [*kinds, "orderings", "misfit"]
