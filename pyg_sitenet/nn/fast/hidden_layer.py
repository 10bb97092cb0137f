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


class Affine(NamedTuple):
    """What a norm does last, if it does not belong to what comes after."""

    factor: Tensor | None = None  # [C]
    shift: Tensor | None = None  # [C]


class Bags(NamedTuple):
    """Rows of a table that are added up together, equally many in each bag."""

    rows: Tensor  # [K * n], those of a bag one after the other
    starts: Tensor  # [K]: 0, n, 2 n, ...
    of_row: Tensor | None = None  # [K * n] bag of each

    def part(self, bags: slice) -> Bags:
        """Return some of the bags."""
        size = len(self.rows) // max(1, len(self.starts))
        rows = self.rows[bags.start * size : bags.stop * size]
        of_row = None if self.of_row is None else self.of_row[: len(rows)]
        return Bags(rows, self.starts[: bags.stop - bags.start], of_row)


class Inputs(NamedTuple):
    """What a layer works on."""

    terms: Terms
    features: Features
    edge_index: Tensor | None  # [2, E]; None: the terms have no sender
    activation: Activation
    eps: float | None  # of the norm; None: there is none
    affine: Affine = Affine()
    bags: Bags | None = None
    """Sender and receiver of each pair, if ``terms.receiver`` has rows for both: those
    of site ``i`` are ``2 i`` and ``2 i + 1``."""


class Receivers(NamedTuple):
    """Where the heads of pairs are added up."""

    of_pair: Tensor  # [P] receiver of each pair
    row: Tensor | None  # [P] row of z of each pair, rising; None: P = E
    num_sites: int  # n_dst
    bags: Bags | None = None  # of each pair its receiver's rows, one a head


def exact_type(dtype: torch.dtype) -> torch.dtype:
    """Return what norms and sums are computed in: single precision or double."""
    return torch.promote_types(dtype, torch.float32)


class HiddenLayer(ABC):
    """``z = norm(activation(terms))`` of each pair, ``[E, C]``, and what is made of it.

    z is never stored as a whole: every pass computes it anew, piece by piece. The norm
    is a layer norm. After a backward pass, :attr:`grads` has the gradients of the terms
    and :attr:`affine_grads` those of factor and shift, if the norm has them; those of
    the features are added to ``features_grad``.

    Args:
        inputs: Of the layer.
        features_grad: Where gradients of the features are added, ``[U, D]``, in single
            precision if the features are in half.
    """

    grads: Terms
    affine_grads: Affine = Affine()

    def __init__(self, inputs: Inputs, features_grad: Tensor | None = None) -> None:
        self.terms, self.features, index, self.activation, self.eps = inputs[:5]
        self.affine = inputs.affine
        self.features_grad = features_grad
        self.exact = exact_type(self.features.rows.dtype)
        self.index = None if index is None else index.unbind()
        self.width, self.num_pairs = self.terms.weight.size(0), self.features.num_pairs

    @abstractmethod
    def logits(self, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return ``weight @ z + bias`` of each pair, ``[E, H]``."""

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
