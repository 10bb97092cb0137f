"""Sums of an epoch: in double precision, wherever they are added up."""

from __future__ import annotations

import math

import torch

from pyg_sitenet.nn.output_layout import OutputLayout
from pyg_sitenet.training.loop.meter import Meter, RunningSum, add_exactly
from pyg_sitenet.training.loop.objective import Sums

VALUES = torch.randn(2000, generator=torch.Generator().manual_seed(0)).exp()


def test_sums_are_those_of_doubles() -> None:
    running = RunningSum(torch.zeros((), dtype=torch.float64))
    for value in VALUES:
        running.add(value)
    total = running.total()
    assert total.dtype == torch.float64
    assert math.isclose(total, math.fsum(VALUES.tolist()), rel_tol=1e-14)


def test_pair_of_singles_holds_what_a_double_does() -> None:
    high, low = torch.zeros(()), torch.zeros(())
    for value in VALUES:
        high, rest = add_exactly(high, value)
        low += rest
    exact = math.fsum(VALUES.tolist())
    assert math.isclose(float(high) + float(low), exact, rel_tol=1e-12)
    assert not math.isclose(float(high), exact, rel_tol=1e-12)


def test_batch_that_does_not_count_leaves_the_sums_as_they_are() -> None:
    meter = Meter("train", OutputLayout.make(["gap"]), ["gap"], [1.0])
    unit = torch.ones(1)
    good = Sums(torch.tensor(2.0), unit, 3 * unit, 0 * unit)
    bad = Sums(torch.tensor(math.nan), unit, math.inf * unit, 0 * unit)
    meter.add(good, counts=torch.tensor(True))
    before = meter.sums
    meter.add(bad, counts=torch.tensor(False))
    assert torch.equal(meter.sums, before)
    assert meter.take(lambda sums: sums) == {"train/loss": 2.0, "train/mae/gap": 3.0}
    assert not meter.sums.any()
