"""What a step of the networks launches on a device, and moves through its memory.

``benchmarks/device_counts.py`` prints the numbers. Each may only fall.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from simulation import DEVICE, Counts, Simulation
from torch_geometric.data import Batch

from pyg_sitenet import SiteNet
from pyg_sitenet.nn.fast import device_layer


class Limits(NamedTuple):
    """Of a step: forward and backward, without loss and optimiser."""

    kernels: int
    bytes: float  # a merged pair


LIMITS = {"paper": Limits(316, 68e3), "default": Limits(451, 70e3)}
PAIRS_IN_A_CHUNK = 150_000


@pytest.fixture(params=LIMITS)
def preset(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def step(preset: str, batch: Batch, simulation: Simulation) -> Counts:
    """What a step did, whose numbers are those of the CPU."""
    torch.manual_seed(0)
    model = SiteNet.from_preset(preset)
    expected = model.raw_output(batch)
    wanted = torch.autograd.grad(expected.sum(), list(model.parameters()))
    model, there = model.to(DEVICE), batch.clone().to(DEVICE, non_blocking=True)
    with simulation.counting() as counts:
        out = model.raw_output(there)
        grads = torch.autograd.grad(out.sum(), list(model.parameters()))
    torch.testing.assert_close(out.cpu(), expected, rtol=1e-5, atol=1e-5)
    scale = max(grad.abs().max().item() for grad in wanted)
    for ours, theirs in zip(grads, wanted, strict=True):
        torch.testing.assert_close(ours.cpu(), theirs, rtol=1e-4, atol=1e-5 * scale)
    return counts


def test_step_is_right_in_few_kernels_and_bytes_without_a_wait(
    preset: str, batch: Batch, step: Counts
) -> None:
    limits, text = LIMITS[preset], step.kernels.most_common()
    assert step.num_waits == 0, step.waits
    assert step.num_kernels <= limits.kernels, text
    assert step.bytes / batch.num_edges <= limits.bytes


def test_a_chunk_holds_the_pairs_of_a_batch() -> None:
    width = SiteNet.from_preset("paper").convs[0].attention.out_channels
    assert device_layer.DEVICE_BYTES // (4 * width) >= PAIRS_IN_A_CHUNK
