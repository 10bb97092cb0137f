"""The building block of Site-Net, ``norm(activation(linear(x)))``, for all parts."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from copy import deepcopy
from itertools import pairwise
from numbers import Integral
from typing import TypeAlias

from torch import nn
from torch_geometric.nn.resolver import activation_resolver, normalization_resolver

Norm: TypeAlias = str | Callable[[int], nn.Module] | None
Activation: TypeAlias = str | nn.Module | Callable[[], nn.Module]


def make_activation(activation: Activation) -> nn.Module:
    """Return an activation by its name in PyTorch, as a class or as a module.

    A module is copied, so that layers do not share the weights it may have.

    Raises:
        ValueError: If PyTorch has none of that name.
    """
    if isinstance(activation, nn.Module):
        return deepcopy(activation)
    try:
        resolved = (
            activation_resolver(activation)
            if isinstance(activation, str)
            else activation()
        )
    except (ValueError, TypeError) as error:
        raise _no_activation(activation) from error
    if not isinstance(resolved, nn.Module):
        raise _no_activation(activation)
    return resolved


def _no_activation(activation: object) -> ValueError:
    return ValueError(
        "`activation` must be a module, its class or the name of an activation of"
        f" PyTorch such as 'mish', got {activation!r}"
    )


def make_norm(norm: Norm, channels: int, groups: int = 1) -> nn.Module:
    """Return a normalisation over ``channels``.

    Args:
        norm: ``"layer"`` (of each vector alone), ``"batch"``, ``"none"`` or ``None``,
            the name of another one in PyG, or a class.
        channels: Size of the vectors.
        groups: A layer normalisation treats each of so many groups of channels alone.

    Raises:
        ValueError: If PyG has none of that name.
    """
    if norm is None:
        return nn.Identity()
    if not isinstance(norm, str):
        return norm(channels)
    name = re.sub(r"[-_ ]|norm(1d)?$", "", norm.lower())
    if name == "layer":
        return nn.GroupNorm(groups, channels) if groups > 1 else nn.LayerNorm(channels)
    if name in _NORMS:
        return _NORMS[name](channels)
    try:
        resolved: nn.Module = normalization_resolver(norm, channels)
    except (ValueError, TypeError) as error:  # some take no channels
        raise ValueError(
            "`norm` must be 'layer', 'batch', 'none' or the name of a normalisation of "
            f"PyG, got {norm!r}"
        ) from error
    return resolved


_NORMS: dict[str, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm1d,
    "none": nn.Identity,
}


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
        norm: Norm = "layer",
        activation: Activation = "mish",
        dropout: float = 0.0,
    ) -> None:
        super().__init__(
            nn.Linear(in_channels, out_channels),
            make_activation(activation),
            make_norm(norm, out_channels),
        )
        if dropout:
            self.append(nn.Dropout(dropout))


def make_mlp(
    in_channels: int,
    widths: Sequence[int],
    norm: Norm = "layer",
    activation: Activation = "mish",
    dropout: float = 0.0,
) -> nn.Sequential:
    """Stack one :class:`Layer` per width."""
    return nn.Sequential(
        *(
            Layer(*sizes, norm, activation, dropout)
            for sizes in pairwise([in_channels, *widths])
        )
    )


def reset_layers(module: nn.Module) -> None:
    """Draw the parameters of everything inside ``module`` anew."""
    for child in module.children():
        reset = getattr(child, "reset_parameters", None)
        if reset is None:
            reset_layers(child)
        else:
            reset()


def require_positive(**sizes: int | None) -> None:
    """Raise ``ValueError`` for the first that is no whole number above 0, or None."""
    for name, size in sizes.items():
        is_whole = size is None or isinstance(size, Integral)
        if not is_whole or (size is not None and size < 1):
            expected = "at least 1" if is_whole else "a whole number"
            raise ValueError(f"`{name}` must be {expected}, got {size!r}")
