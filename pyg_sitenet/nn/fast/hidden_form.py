"""Which form of a hidden layer serves."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_sitenet.nn.fast.device_layer import DeviceLayer
from pyg_sitenet.nn.fast.hidden_layer import HiddenLayer, Inputs
from pyg_sitenet.nn.fast.native.layer import NativeLayer, is_native
from pyg_sitenet.nn.fast.triton.available import can_use_triton


def make_hidden_layer(
    inputs: Inputs, features_grad: Tensor | None = None
) -> HiddenLayer:
    """Return the fastest form for these inputs, those of :class:`HiddenLayer`."""
    if is_native(inputs):
        return NativeLayer(inputs, features_grad)
    # Kernels add up in any order; PyTorch's operations can be asked not to.
    is_ordered = torch.are_deterministic_algorithms_enabled()
    if not is_ordered and can_use_triton(inputs.features.rows.device):
        from pyg_sitenet.nn.fast.triton.layer import TritonLayer  # imports triton

        return TritonLayer(inputs, features_grad)
    return DeviceLayer(inputs, features_grad)
