"""Which form of a hidden layer serves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from pyg_sitenet.nn.fast.device_layer import DeviceLayer
from pyg_sitenet.nn.fast.hidden_layer import HiddenLayer, Inputs, exact_type
from pyg_sitenet.nn.fast.joined_layer import JoinedLayer
from pyg_sitenet.nn.fast.native.layer import NativeLayer, is_native
from pyg_sitenet.nn.fast.triton.available import can_use_triton

WITHOUT_BAGS = ("cpu", "mps")
"""Devices that sum up in bags slowly, or did not in all versions of PyTorch."""


class LayerPair(Protocol):
    """The layers of logits and of values, on the same features of pairs."""

    @property
    def attention(self) -> HiddenLayer:
        """The layer of the logits."""

    @property
    def value(self) -> HiddenLayer:
        """That of the values."""

    @property
    def kept(self) -> Tensor | None:
        """What the forward pass may hand to the backward pass, once."""

    def finish(self) -> Tensor | None:
        """Return the gradient of the features, after backward passes of both."""


class _TwoLayers:
    kept: Tensor | None = None

    def __init__(self, inputs: Sequence[Inputs], *, needs_grad: bool) -> None:
        rows, self._grad = inputs[0].features.rows, None
        if needs_grad:
            self._grad = torch.zeros_like(rows, dtype=exact_type(rows.dtype))
        self.attention, self.value = (make_hidden_layer(i, self._grad) for i in inputs)

    def finish(self) -> Tensor | None:
        return self._grad


def make_layer_pair(
    inputs: Sequence[Inputs],
    *,
    copies: Tensor | None,
    needs_grad: bool = False,
    kept: Tensor | None = None,
) -> LayerPair:
    """Return the fastest form of the layers of logits and of values.

    Args:
        inputs: Of both.
        copies: Which pairs the values are taken of; ``None``: all.
        needs_grad: Whether the features do.
        kept: What the forward pass has handed over.
    """
    device = inputs[0].features.rows.device
    if copies is None and not is_native(inputs[0]) and _serves_triton(device):
        from pyg_sitenet.nn.fast.triton.joint import JointLayers, can_join

        if can_join(inputs):
            return JointLayers(inputs, needs_grad=needs_grad, kept=kept)
    return _TwoLayers(inputs, needs_grad=needs_grad)


def make_hidden_layer(
    inputs: Inputs, features_grad: Tensor | None = None
) -> HiddenLayer:
    """Return the fastest form for these inputs, those of :class:`HiddenLayer`."""
    if inputs.bags is not None:
        return JoinedLayer(inputs, features_grad)
    if is_native(inputs):
        return NativeLayer(inputs, features_grad)
    if _serves_triton(inputs.features.rows.device):
        from pyg_sitenet.nn.fast.triton.layer import TritonLayer  # imports triton

        return TritonLayer(inputs, features_grad)
    return DeviceLayer(inputs, features_grad)


def joins_sites(x_src: Tensor, x_dst: Tensor) -> bool:
    """Whether senders and receivers share a table: in PyTorch's operations on GPUs."""
    device = x_dst.device
    has_bags = device.type not in WITHOUT_BAGS
    return x_src is x_dst and has_bags and not _serves_triton(device)


def _serves_triton(device: torch.device) -> bool:
    # Kernels add up in any order; PyTorch's operations can be asked not to.
    is_ordered = torch.are_deterministic_algorithms_enabled()
    return not is_ordered and can_use_triton(device)
