from __future__ import annotations

import copy
import itertools
import math

import numpy as np
import pytest
import torch
from ase.build import bulk
from sklearn.ensemble import ExtraTreesRegressor
from torch_geometric.data import Data

from pyg_sitenet.data.elements import element_properties
from pyg_sitenet.data.graph.encode import encode_structure
from pyg_sitenet.nn.output_layout import OutputLayout
from pyg_sitenet.training.outcome.baselines import (
    NUM_TREES,
    composition_features,
    fit_baselines,
)


def _graph(symbol: str, y: float, structure: str = "rocksalt") -> Data:
    data = encode_structure(bulk(symbol, structure, a=5.0), max_atoms=8)
    data.y = torch.tensor([[y, -y]])
    return data


@pytest.fixture
def salts() -> list[Data]:
    # The target is a function of the composition alone.
    names = itertools.product(("Li", "Na", "K", "Rb"), ("F", "Cl", "Br", "I"))
    return [_graph("".join(pair), float(k // 4)) for k, pair in enumerate(names)]


def test_mean_baseline_answers_the_mean_of_the_training_part(salts: list[Data]) -> None:
    mean = fit_baselines(salts[:4] + salts[8:], salts[4:8], seed=0)["mean"]
    expected = (0 * 4 + 2 * 4 + 3 * 4) / 12
    np.testing.assert_allclose(mean, np.tile([expected, -expected], (4, 1)))


def test_composition_baseline_learns_the_cation(salts: list[Data]) -> None:
    test = salts[3::4]
    trained = [data for data in salts if data not in test]
    predicted = fit_baselines(trained, test, seed=0)["composition"]
    truth = np.concatenate([data.y.numpy() for data in test])
    assert np.abs(predicted - truth).mean() < 0.5
    assert np.abs(truth - truth.mean(axis=0)).mean() == 1.0


def test_composition_baseline_does_not_see_the_structure() -> None:
    rocksalt = _graph("ZnS", 1.0)
    zincblende = _graph("ZnS", 1.0, "zincblende")
    np.testing.assert_array_equal(
        composition_features(rocksalt), composition_features(zincblende)
    )


def test_features_are_fractions_and_statistics() -> None:
    features = composition_features(_graph("NaCl", 0.0))
    assert features[11] == features[17] == 0.5
    assert features[:119].sum() == 1.0
    properties = element_properties()[[11, 17]]
    np.testing.assert_allclose(features[119:127], properties.mean(axis=0))
    assert features[-1] == 2


def test_a_seed_gives_one_forest(salts: list[Data]) -> None:
    first, second, other = (
        fit_baselines(salts[::2], salts[1::2], seed)["composition"]
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_nothing_to_predict_gives_nothing(salts: list[Data]) -> None:
    result = fit_baselines(salts, [], seed=0)
    assert {name: values.shape for name, values in result.items()} == {
        "mean": (0, 2),
        "composition": (0, 2),
    }


def test_composition_baseline_is_the_forest_of_scikit_learn(salts: list[Data]) -> None:
    predicted = fit_baselines(salts[:12], salts[12:], seed=3)["composition"]
    features = np.stack([composition_features(data) for data in salts])
    forest = ExtraTreesRegressor(NUM_TREES, random_state=3)
    forest.fit(features[:12], [float(data.y[0, 0]) for data in salts[:12]])
    np.testing.assert_array_equal(predicted[:, 0], forest.predict(features[12:]))


def test_classes_get_their_shares_and_a_forest_of_their_own(salts):
    layout = OutputLayout.make(["kind"], {"kind": ["a", "b", "c"]})
    train = [copy.copy(data) for data in salts]
    for k, data in enumerate(train):
        data.y = torch.tensor([[[0.0, 1.0, 1.0, 2.0, math.nan][k % 5]]])
    truth = torch.cat([data.y for data in train])[:, 0]
    result = fit_baselines(train, train[:5], seed=0, layout=layout)
    shares = [(truth == k).sum() / (~truth.isnan()).sum() for k in range(3)]
    assert result["mean"][3].tolist() == pytest.approx(
        [float(share) for share in shares]
    )
    assert result["composition"].shape == (5, 3)
    assert result["composition"].sum(axis=1) == pytest.approx(np.ones(5))
