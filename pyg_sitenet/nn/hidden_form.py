"""Which form of a hidden layer serves."""

from __future__ import annotations

from torch import Tensor

from pyg_sitenet.nn.chunk_activations import Activation
from pyg_sitenet.nn.chunked_layer import ChunkedLayer
from pyg_sitenet.nn.hidden_layer import Features, HiddenLayer, Terms
from pyg_sitenet.nn.native.layer import NativeLayer, is_native


def make_hidden_layer(
    terms: Terms,
    features: Features,
    index: Tensor | None,
    activation: Activation,
    eps: float | None,
    features_grad: Tensor | None = None,
) -> HiddenLayer:
    """Return the fastest form for these inputs, those of :class:`HiddenLayer`."""
    native = is_native(features.rows, activation, eps)
    form = NativeLayer if native else ChunkedLayer
    return form(terms, features, index, activation, eps, features_grad)
