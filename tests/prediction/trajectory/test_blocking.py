from __future__ import annotations

import math

import numpy as np
import pytest

from pyg_sitenet.prediction.trajectory.blocking import Series


def _series(values):
    series = Series()
    for value in values:
        series.add(float(value))
    return series


def test_mean_spread_and_extremes_are_those_of_the_values() -> None:
    values = np.random.default_rng(0).normal(1e6, 2, 1001)  # digits must not be lost
    series = _series(values)
    assert series.count == 1001
    assert series.mean == pytest.approx(values.mean(), rel=1e-14)
    assert series.std == pytest.approx(values.std(ddof=1), rel=1e-9)
    assert (series.min, series.max) == (values.min(), values.max())


def test_independent_values_have_the_error_of_their_number() -> None:
    values = np.random.default_rng(1).normal(size=4096)
    series = _series(values)
    assert series.standard_error == pytest.approx(1 / 64, rel=0.1)
    assert series.independent == pytest.approx(4096, rel=0.2)


def test_correlated_values_have_the_error_of_their_independent_number() -> None:
    # x' = 0.9 x + noise: (1 + 0.9) / (1 - 0.9) = 19 values count as one.
    random, x, values = np.random.default_rng(2), 0.0, []
    for _ in range(1 << 15):
        x = 0.9 * x + random.normal()
        values.append(x)
    series = _series(values)
    exact = 1 / 0.1 / math.sqrt(1 << 15)
    assert series.standard_error == pytest.approx(exact, rel=0.15)
    assert series.independent == pytest.approx((1 << 15) / 19, rel=0.3)
    assert series.std / math.sqrt(1 << 15) < 0.3 * exact  # the naive one is too small


def test_repeated_values_add_no_knowledge() -> None:
    values = np.random.default_rng(3).normal(size=64)
    once, often = _series(values), _series(np.repeat(values, 64))
    assert often.standard_error == pytest.approx(once.standard_error, rel=0.25)


def test_few_values_have_what_can_be_known() -> None:
    assert _series([]).standard_error is None
    first = _series([3.0])
    assert (first.mean, first.std, first.standard_error, first.independent) == (
        3.0,
        None,
        None,
        None,
    )
    assert _series([1.0, 3.0]).standard_error == pytest.approx(1.0)


def test_equal_values_have_no_error() -> None:
    series = _series([2.0] * 100)
    assert (series.std, series.standard_error) == (0.0, 0.0)
    assert series.independent is None


def test_memory_does_not_grow_with_the_number_of_values() -> None:
    assert len(_series(range(10_000))._levels) == 14
