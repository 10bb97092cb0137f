"""What both forms of a hidden layer on pairs can do, compiled or not."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor

from pyg_sitenet.nn.fast.activations import Activation


class Terms(NamedTuple):
    """What a layer adds up before its activation: tensors that may have gradients."""

    receiver: Tensor  # [n_dst, C], added by receiver; or a bias [C]
    sender: Tensor | None  # [n_src, C], added by sender
    weight: Tensor  # [C, D], applied to the features of a pair


class Features(NamedTuple):
    """Features of pairs, each kind once."""

    rows: Tensor  # [U, D]
    kind: Tensor | None  # [E] row of each pair, rising by steps of 1 or 0; None: E = U

    @property
    def num_pairs(self) -> int:
        """How many pairs there are."""
        return len(self.rows if self.kind is None else self.kind)


class Inputs(NamedTuple):
    """What a layer works on."""

    terms: Terms
    features: Features
    edge_index: Tensor | None  # [2, E]; None: the terms have no sender
    activation: Activation
    eps: float | None  # of the norm; None: there is none


class Receivers(NamedTuple):
    """Where the heads of pairs are added up."""

    of_pair: Tensor  # [P] receiver of each pair
    row: Tensor | None  # [P] row of z of each pair, rising; None: P = E
    num_sites: int  # n_dst


def exact_type(dtype: torch.dtype) -> torch.dtype:
    """Return what norms and sums are computed in: single precision or double."""
    return torch.promote_types(dtype, torch.float32)


class HiddenLayer(ABC):
    """``z = norm(activation(terms))`` of each pair, ``[E, C]``, and what is made of it.

    z is never stored as a whole: every pass computes it anew, piece by piece. The norm
    is a layer norm without factor and shift. After a backward pass, :attr:`grads` has
    the gradients of the terms; those of the features are added to ``features_grad``.

    Args:
        inputs: Of the layer.
        features_grad: Where gradients of the features are added, ``[U, D]``, in single
            precision if the features are in half.
    """

    grads: Terms

    def __init__(self, inputs: Inputs, features_grad: Tensor | None = None) -> None:
        self.terms, self.features, index, self.activation, self.eps = inputs
        self.features_grad = features_grad
        self.exact = exact_type(self.features.rows.dtype)
        self.index = None if index is None else index.unbind()
        self.width, self.num_pairs = self.terms.weight.size(0), self.features.num_pairs

    @abstractmethod
    def logits(self, weight: Tensor) -> Tensor:
        """Return ``weight @ z`` of each pair, ``[E, H]``."""

    @abstractmethod
    def logits_backward(self, weight: Tensor, grad: Tensor) -> Tensor:
        """Return the gradient of the weight ``[H, C]`` from that of the logits."""

    @abstractmethod
    def heads(self, alpha: Tensor, receivers: Receivers) -> Tensor:
        """Return sums ``[n_dst, H, C]`` of ``alpha z``, alpha ``[P, H]``."""

    @abstractmethod
    def heads_backward(
        self, alpha: Tensor, receivers: Receivers, grad: Tensor
    ) -> Tensor:
        """Return the gradient of alpha ``[P, H]`` from that of the sums."""

    @abstractmethod
    def rows(self, weight: Tensor, shift: Tensor, *, residual: bool) -> Tensor:
        """Return ``weight z + shift`` of each pair, plus its features if asked."""

    @abstractmethod
    def rows_backward(self, weight: Tensor, grad: Tensor, *, residual: bool) -> Tensor:
        """Return the gradient of the weight ``[C]`` from that of the rows."""
