"""The building block of Site-Net, ``norm(activation(linear(x)))``, for all parts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "mish": nn.Mish,
    "relu": nn.ReLU,
    "silu": nn.SiLU,
}


def make_activation(name: str) -> nn.Module:
    """Return the activation ``mish``, ``relu`` or ``silu``."""
    if name not in ACTIVATIONS:
        raise ValueError(f"`activation` must be one of {[*ACTIVATIONS]}, got {name!r}")
    return ACTIVATIONS[name]()


def make_norm(name: str, channels: int, groups: int = 1) -> nn.Module:
    """Return the normalisation ``layer``, ``batch`` or ``none`` over ``channels``.

    With several ``groups``, a layer normalisation treats each group of channels alone.
    """
    if name == "layer" and groups > 1:
        return nn.GroupNorm(groups, channels)
    if name == "layer":
        return nn.LayerNorm(channels)
    if name == "batch":
        return nn.BatchNorm1d(channels)
    if name == "none":
        return nn.Identity()
    raise ValueError(f"`norm` must be 'layer', 'batch' or 'none', got {name!r}")


class Layer(nn.Sequential):
    """``norm(activation(linear(x)))``.

    Shapes:
        - **input:** :math:`(*, C_{in})`
        - **output:** :math:`(*, C_{out})`
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        norm: str = "layer",
        activation: str = "mish",
        dropout: float = 0.0,
    ) -> None:
        super().__init__(
            nn.Linear(in_channels, out_channels),
            make_activation(activation),
            make_norm(norm, out_channels),
        )
        if dropout > 0:
            self.append(nn.Dropout(dropout))


def make_mlp(
    in_channels: int,
    widths: Sequence[int],
    norm: str = "layer",
    activation: str = "mish",
    dropout: float = 0.0,
) -> nn.Sequential:
    """Stack one :class:`Layer` per width."""
    return nn.Sequential(
        *(
            Layer(*sizes, norm, activation, dropout)
            for sizes in pairwise([in_channels, *widths])
        )
    )


class PairLinear(nn.Module):
    r"""A linear map of :math:`[x_i \, \Vert \, x_j \, \Vert \, e_{ij}]`, never joined.

    :math:`W [x_i | x_j | e_{ij}] + b = (W_i x_i + b) + W_j x_j + W_e e_{ij}`: the site
    parts are applied once per site (:meth:`project`), not once per pair.

    Args:
        in_channels: Sizes of the receiving site's, the sending site's and the pair's
            vectors.
        out_channels: Size of the result.
    """

    def __init__(self, in_channels: tuple[int, int, int], out_channels: int) -> None:
        super().__init__()
        self.sizes = in_channels
        self.linear = nn.Linear(sum(in_channels), out_channels)

    def project(self, x_src: Tensor, x_dst: Tensor) -> tuple[Tensor, Tensor]:
        """Return the parts of the senders and of the receivers (with the bias)."""
        weight_i, weight_j, _ = self.linear.weight.split(self.sizes, dim=1)
        sender = nn.functional.linear(x_src, weight_j)
        return sender, nn.functional.linear(x_dst, weight_i, self.linear.bias)

    def forward(
        self, receiver_i: Tensor, sender_j: Tensor, edge_attr: Tensor
    ) -> Tensor:
        """Add up the parts of each pair, ``[E, out_channels]``."""
        weight_e = self.linear.weight.split(self.sizes, dim=1)[2]
        return receiver_i + sender_j + nn.functional.linear(edge_attr, weight_e)


class PairLayer(PairLinear):
    """``norm(activation(pair linear))``; arguments as in :class:`PairLinear`."""

    def __init__(
        self,
        in_channels: tuple[int, int, int],
        out_channels: int,
        norm: str = "layer",
        activation: str = "mish",
        groups: int = 1,
    ) -> None:
        super().__init__(in_channels, out_channels)
        self.activation = make_activation(activation)
        self.norm = make_norm(norm, out_channels, groups)

    def forward(
        self, receiver_i: Tensor, sender_j: Tensor, edge_attr: Tensor
    ) -> Tensor:
        """Add up the parts of each pair, activate and normalise."""
        out = super().forward(receiver_i, sender_j, edge_attr)
        result: Tensor = self.norm(self.activation(out))
        return result


def first_log_lengths(ends: tuple[float, float], heads: int) -> Tensor:
    """Return the logarithms of one length a head, evenly from the first to the last.

    Raises:
        ValueError: If a length is not above 0.
    """
    if not 0 < min(ends) <= max(ends) < math.inf:
        raise ValueError(f"`locality` must be two lengths above 0, got {ends}")
    return torch.linspace(math.log(ends[0]), math.log(ends[1]), heads)


def reset_layers(module: nn.Module) -> None:
    """Draw the parameters of everything inside ``module`` anew."""
    for child in module.modules():
        reset = getattr(child, "reset_parameters", None)
        if child is not module and reset is not None:
            reset()


def require_positive(**sizes: int) -> None:
    """Raise ``ValueError`` for the first size below 1."""
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"`{name}` must be at least 1, got {size}")
