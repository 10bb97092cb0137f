"""Which form of a hidden layer serves."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_sitenet.nn.fast.device_layer import DeviceLayer
from pyg_sitenet.nn.fast.hidden_layer import HiddenLayer, Inputs
from pyg_sitenet.nn.fast.joined_layer import JoinedLayer
from pyg_sitenet.nn.fast.native.layer import NativeLayer, is_native
from pyg_sitenet.nn.fast.triton.available import can_use_triton

WITHOUT_BAGS = ("cpu", "mps")
"""Devices that sum up in bags slowly, or did not in all versions of PyTorch."""


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
