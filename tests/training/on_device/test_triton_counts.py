"""What a step of the networks moves through a GPU's memory in Triton's kernels."""

from __future__ import annotations

import pytest
import torch
from simulation import DEVICE, Simulation
from torch_geometric.data import Batch

pytest.importorskip("triton", reason="the extra `gpu-tests` is not installed")

from triton_counts import counted_kernels, passes

from pyg_sitenet import SiteNet
from pyg_sitenet.nn.fast.triton import kernels

MOST_BYTES = {"paper": 25.2e3, "default": 27.5e3}  # a merged pair; they may only fall


def test_passes_over_memory_are_those_of_the_source() -> None:
    forward, backward = passes(kernels.rows), passes(kernels.rows_backward)
    assert [forward[name] for name in ("product", "features", "out")] == [1, 1, 1]
    # The gradient is written over the product, and added to the sums of the sites.
    names = ("product", "grad", "r_sums", "s_sums", "count")
    assert [backward[name] for name in names] == [2, 1, 2, 2, 0]


@pytest.mark.parametrize("preset", MOST_BYTES)
def test_step_moves_few_bytes_without_a_wait(
    preset: str, batch: Batch, simulation: Simulation
) -> None:
    model = SiteNet.from_preset(preset).to(DEVICE)
    there = batch.clone().to(DEVICE, non_blocking=True)
    with counted_kernels(), simulation.counting() as counts:
        out = model.raw_output(there)
        torch.autograd.grad(out.sum(), list(model.parameters()))
    assert counts.kernels["triton logits_backward"] == model.config.blocks
    assert counts.num_waits == 0, counts.waits
    assert counts.bytes / batch.num_edges <= MOST_BYTES[preset]
