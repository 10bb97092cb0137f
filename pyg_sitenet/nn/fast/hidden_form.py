"""Which form of a hidden layer serves."""

from __future__ import annotations

from torch import Tensor

from pyg_sitenet.nn.fast.device_layer import DeviceLayer
from pyg_sitenet.nn.fast.hidden_layer import HiddenLayer, Inputs
from pyg_sitenet.nn.fast.native.layer import NativeLayer, is_native


def make_hidden_layer(
    inputs: Inputs, features_grad: Tensor | None = None
) -> HiddenLayer:
    """Return the fastest form for these inputs, those of :class:`HiddenLayer`."""
    form = NativeLayer if is_native(inputs) else DeviceLayer
    return form(inputs, features_grad)
