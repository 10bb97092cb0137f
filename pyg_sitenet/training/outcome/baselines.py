"""What a model has to beat: the mean, and a model that sees the composition alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.tree import ExtraTreeClassifier, ExtraTreeRegressor
from torch_geometric.data import Data

from pyg_sitenet.data.elements import element_properties
from pyg_sitenet.nn.output_layout import OutputLayout, TargetOutputs

NUM_TREES = 200
NUM_FEATURES = 119 + 4 * 8 + 1
MAJORITY = "majority"  # what `mean` is called for classes
Array = NDArray[np.float64]


def fit_baselines(
    train: Sequence[Data],
    others: Sequence[Data],
    seed: int,
    layout: OutputLayout | None = None,
) -> dict[str, Array]:
    """Predict crystals with the two baselines, fitted on the training part.

    ``mean`` answers the mean of the training targets, and for classes the share of each
    as its probability, so that the largest wins. ``composition`` is a forest of
    extremely randomised trees on element fractions and on the mean, spread, minimum and
    maximum of the element properties: it knows nothing of the structure.

    Args:
        train: Graphs with ``z`` and ``y`` to fit on; what is NaN is left out.
        others: Graphs to predict.
        seed: Seed of the forest.
        layout: Which targets are classes. (default: all are numbers)

    Returns:
        For each baseline the predictions, ``[len(others), T_out]`` in target units, of
        classes the probability of each.
    """
    y = np.stack([data.y.numpy()[0] for data in train]).astype(np.float64)  # [N, T]
    layout = layout or OutputLayout.make([""] * y.shape[1])
    columns = [_as_outputs(y[:, t], x) for t, x in enumerate(layout.targets)]
    mean = np.concatenate([np.nanmean(column, axis=0) for column in columns])
    return {
        "mean": np.tile(mean, (len(others), 1)),
        "composition": _composition(train, others, y, seed, layout),
    }


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


def _as_outputs(y: Array, target: TargetOutputs) -> Array:
    """Return a number as it is, or of a class 1 and of the others 0, [N, columns]."""
    if not target.classes:
        return y[:, None]
    is_one = (y[:, None] == np.arange(len(target.classes))).astype(np.float64)
    return np.where(np.isnan(y)[:, None], np.nan, is_one)


def _composition(
    train: Sequence[Data],
    others: Sequence[Data],
    y: Array,
    seed: int,
    layout: OutputLayout,
) -> Array:
    if not others:
        return np.empty((0, layout.num_outputs))
    features, other_features = _all_features(train), _all_features(others)
    columns = [
        _forest(features, y[:, t], other_features, seed, len(target.classes))
        for t, target in enumerate(layout.targets)
    ]
    return np.concatenate(columns, axis=1)


def _all_features(crystals: Sequence[Data]) -> NDArray[np.float32]:
    # In the precision that trees work in, and without a second copy.
    features = np.empty((len(crystals), NUM_FEATURES), np.float32)
    for row, data in zip(features, crystals, strict=True):
        row[:] = composition_features(data)
    return features


def _forest(
    features: NDArray[np.float32],
    y: Array,
    other_features: NDArray[np.float32],
    seed: int,
    num_classes: int = 0,
) -> Array:
    """Predict with the extra trees of scikit-learn, one tree in memory at once.

    All trees of a large data set would take more memory than the rest of a training.

    Returns:
        Values [N, 1], or probabilities [N, K] of classes that all occur in ``y``.
    """
    fits = ~np.isnan(y)
    features, y = features[fits], y[fits]
    random = np.random.RandomState(seed)
    total = np.zeros((len(other_features), max(1, num_classes)))
    for _ in range(NUM_TREES):
        tree_seed = random.randint(np.iinfo(np.int32).max)
        if num_classes:
            # As a forest of scikit-learn does, not as its single trees by default.
            options = {"max_features": "sqrt", "random_state": tree_seed}
            total += (
                ExtraTreeClassifier(**options)
                .fit(features, y)
                .predict_proba(other_features)
            )
        else:
            tree = ExtraTreeRegressor(random_state=tree_seed).fit(features, y)
            total += tree.predict(other_features)[:, None]
    return total / NUM_TREES
