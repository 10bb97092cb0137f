"""What a model has to beat: the mean, and a model that sees the composition alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.tree import ExtraTreeRegressor
from torch_geometric.data import Data

from pyg_sitenet.data.elements import element_properties

NUM_TREES = 200
NUM_FEATURES = 119 + 4 * 8 + 1
BASELINES = ("mean", "composition")


def fit_baselines(
    train: Sequence[Data], others: Sequence[Data], seed: int
) -> dict[str, NDArray[np.float64]]:
    """Predict crystals with the two baselines, fitted on the training part.

    ``mean`` answers the mean of the training targets. ``composition`` is a forest of
    extremely randomised trees on element fractions and on the mean, spread, minimum and
    maximum of the element properties: it knows nothing of the structure.

    Args:
        train: Graphs with ``z`` and ``y`` to fit on; what is NaN is left out.
        others: Graphs to predict.
        seed: Seed of the forest.

    Returns:
        For each baseline the predictions, ``[len(others), T]`` in target units.
    """
    y = np.stack([data.y.numpy()[0] for data in train]).astype(np.float64)  # [N, T]
    mean = np.tile(np.nanmean(y, axis=0), (len(others), 1))
    return {"mean": mean, "composition": _composition(train, others, y, seed)}


def composition_features(data: Data) -> NDArray[np.float64]:
    """Describe the composition of a crystal by a vector of one length for all.

    Returns:
        Element fractions by atomic number (119), then mean, spread, minimum and maximum
        over the sites of each element property (4 x 8), then the number of elements.
    """
    z = data.z.numpy()
    if "site_multiplicity" in data:  # merged sites count as often as they occur
        z = z.repeat(data.site_multiplicity.numpy())
    fractions = np.bincount(z, minlength=119) / len(z)
    values = element_properties()[z]  # [n, 8]
    statistics = (
        values.mean(axis=0),
        values.std(axis=0),
        values.min(axis=0),
        values.max(axis=0),
    )
    return np.concatenate([fractions, *statistics, [np.count_nonzero(fractions)]])


def _composition(
    train: Sequence[Data],
    others: Sequence[Data],
    y: NDArray[np.float64],
    seed: int,
) -> NDArray[np.float64]:
    if not others:
        return np.empty((0, y.shape[1]))
    known, unknown = _all_features(train), _all_features(others)
    columns = [_forest(known, y[:, t], unknown, seed) for t in range(y.shape[1])]
    return np.stack(columns, axis=1)


def _all_features(crystals: Sequence[Data]) -> NDArray[np.float32]:
    # In the precision that trees work in, and without a second copy.
    features = np.empty((len(crystals), NUM_FEATURES), np.float32)
    for row, data in zip(features, crystals, strict=True):
        row[:] = composition_features(data)
    return features


def _forest(
    known: NDArray[np.float32],
    y: NDArray[np.float64],
    unknown: NDArray[np.float32],
    seed: int,
) -> NDArray[np.float64]:
    """Predict with scikit-learn's ``ExtraTreesRegressor``, one tree in memory at once.

    All trees of a large data set would take more memory than the rest of a training.
    """
    fits = ~np.isnan(y)
    known, y = known[fits], y[fits]
    random = np.random.RandomState(seed)
    total = np.zeros(len(unknown))
    for _ in range(NUM_TREES):
        tree_seed = random.randint(np.iinfo(np.int32).max)
        tree = ExtraTreeRegressor(random_state=tree_seed).fit(known, y)
        total += tree.predict(unknown)
    return total / NUM_TREES
