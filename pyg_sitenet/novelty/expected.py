"""What is expected of the geometry of a crystal by its bonds, learnt from others.

A strength of bonds or a volume that is usual for one pair of elements is unusual for
another: alloys are packed alike, and a layer of a metal in a vacuum is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.sparse import csr_matrix, diags
from scipy.sparse.linalg import lsmr

from pyg_sitenet.novelty.features import Features, kinds_code

Array = NDArray[Any]
Key = Annotated[int, Field(ge=0, le=10**9)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Term = tuple[tuple[int, int, int, int], float]  # keys of each of _NAMES, and the share

_NAMES = ("own", "neighbours", "pairs", "kinds")
_STEP = 10**8  # between the keys of each of them
_PENALTY = 0.6
_OUTLIER = 0.15  # of an excess, from where a crystal counts less
_ROUNDS = 4
_FOLDS = 10
_ORDINARY = 5  # crystals whose excess counts beside those of an element
_MOST_EXCESS = 1.5


class Expected(BaseModel):
    """The expected value of a number: a sum of terms, by their shares of the bonds.

    Attributes:
        mean: Of training crystals.
        own: Of an element, by atomic number.
        neighbours: Of a neighbour, by atomic number.
        pairs: Of both, as 1000 times the first atomic number and the second.
        kinds: Of an element in crystals of such kinds of elements, as 1000 times
            their code and the atomic number.
        scales: How large the excess is in crystals of an element and such kinds of
            elements, over that of all, by the keys of ``kinds``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: Number
    own: dict[Key, Number] = Field({}, max_length=200)
    neighbours: dict[Key, Number] = Field({}, max_length=200)
    pairs: dict[Key, Number] = Field({}, max_length=7000)
    kinds: dict[Key, Number] = Field({}, max_length=7000)
    scales: dict[Key, Annotated[float, Field(gt=0, le=1000)]] = Field(
        {}, max_length=7000
    )

    def excess(self, crystal: Features, number: float) -> float:
        """Return by how much a number of a crystal is larger than expected.

        It is in units of what is usual for the elements.
        """
        columns = (self.own, self.neighbours, self.pairs, self.kinds)
        terms = _terms(crystal)
        expected = self.mean
        for keys, share in terms:
            for values, key in zip(columns, keys, strict=True):
                expected += share * values.get(key, 0.0)
        return (number - expected) / self._scale(terms)

    def scale(self, crystal: Features) -> float:
        """Return how large the excess of crystals of these elements is, about 1."""
        return self._scale(_terms(crystal))

    def _scale(self, terms: Sequence[Term]) -> float:
        scale = sum(share * self.scales.get(keys[-1], 1.0) for keys, share in terms)
        return scale or 1.0


def fit_expected(
    training: Sequence[Features],
) -> tuple[dict[str, Expected], dict[str, Array]]:
    """Learn what is expected of each of the numbers of crystals.

    Returns:
        What is learnt of each number, and its excess in each crystal by a fit to
        others, [N].
    """
    matrix, keys = _design(training)
    numbers = [crystal.numbers for crystal in training]
    expected, excess = {}, {}
    for name in numbers[0]:
        truth = np.array([own[name] for own in numbers])
        own = _cross_fitted(truth, matrix)
        mean, values = _solve(truth, matrix)
        expected[name] = Expected(
            mean=round(mean, 3),
            scales=_scales(matrix, keys, own),
            **_by_name(keys, values),
        )
        scales = [expected[name].scale(crystal) for crystal in training]
        excess[name] = own / scales
    return expected, excess


def _by_name(keys: Array, values: Array) -> dict[str, dict[int, float]]:
    """Return the terms of each name by their keys."""
    places, numbers = np.divmod(keys, _STEP)
    rounded, terms = np.round(values, 3), {}
    for k, name in enumerate(_NAMES):
        own = zip(numbers[places == k], rounded[places == k], strict=True)
        terms[name] = {int(key): float(value) for key, value in own}
    return terms


def _scales(matrix: csr_matrix, keys: Array, excess: Array) -> dict[int, float]:
    """Return how large the excess of elements in kinds is, over that of all."""
    size = np.abs(excess).clip(0, _MOST_EXCESS)
    size /= max(float(size.mean()), 1e-6)
    elements = _means(matrix[:, keys < _STEP], size, 1.0)
    is_kind = keys >= 3 * _STEP
    kinds = keys[is_kind] - 3 * _STEP
    usual = elements[np.searchsorted(keys[keys < _STEP], kinds % 1000)]
    means = _means(matrix[:, is_kind], size, usual)
    numbers = zip(kinds.tolist(), means.tolist(), strict=True)
    return {key: max(round(mean, 3), 0.001) for key, mean in numbers}


def _means(shares: csr_matrix, size: Array, usual: Array | float) -> Array:
    """Return the mean size of each column, near what is usual where it has few."""
    total = np.asarray(shares.sum(axis=0)).ravel()
    means: Array = (shares.T @ size + _ORDINARY * usual) / (total + _ORDINARY)
    return means


def _cross_fitted(truth: Array, matrix: csr_matrix) -> Array:
    excess, fold = np.empty(len(truth)), np.arange(len(truth)) % _FOLDS
    for k in range(min(_FOLDS, len(truth))):
        others, members = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        if len(others):
            mean, values = _solve(truth[others], matrix[others])
            excess[members] = truth[members] - mean - matrix[members] @ values
        else:
            excess[members] = 0.0
    return excess


def _solve(truth: Array, matrix: csr_matrix) -> tuple[float, Array]:
    """Fit by least squares with a penalty, in which outliers count less."""
    mean = float(np.median(truth))
    scaled, weights, values = matrix / np.sqrt(_PENALTY), np.ones(len(truth)), None
    for _ in range(_ROUNDS):
        root = np.sqrt(weights)
        values = lsmr(
            diags(root) @ scaled, root * (truth - mean), damp=1.0, x0=values,
            maxiter=80,
        )[0]  # fmt: skip
        residuals = truth - mean - scaled @ values
        weights = 1 / np.sqrt(1 + (residuals / _OUTLIER) ** 2)
    return mean, values / np.sqrt(_PENALTY)


def _design(training: Sequence[Features]) -> tuple[csr_matrix, Array]:
    """Return the share of each term in crystals, [N, K], and its key, [K]."""
    rows, keys, shares = [], [], []
    for row, crystal in enumerate(training):
        for numbers, share in _terms(crystal):
            for k, key in enumerate(numbers):
                rows.append(row)
                keys.append(k * _STEP + key)
                shares.append(share)
    terms, columns = np.unique(np.array(keys, np.int64), return_inverse=True)
    shape = (len(training), len(terms))
    return csr_matrix((shares, (rows, columns)), shape), terms


def _terms(crystal: Features) -> list[Term]:
    """Return the keys of the terms of each kind of bond, and its share."""
    kinds = 1000 * kinds_code(crystal.elements)
    rows = []
    for bond, share in crystal.bonds.shares.items():
        own, other = divmod(bond, 1000)
        pair = 1000 * min(own, other) + max(own, other)
        rows.append(((own, other, pair, kinds + own), share))
    return rows
