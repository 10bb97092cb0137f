"""A layer on two sites and their pair, ``norm(activation(linear))``."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch_geometric.nn import Linear

from pyg_sitenet.nn.layers import (
    Activation,
    Norm,
    make_activation,
    make_mlp,
    make_norm,
    require_positive,
    reset_layers,
)

PARTS = ("receiver.weight", "sender.weight", "pair.weight")


class PairLinear(nn.Module):
    r"""A linear map of :math:`[x_i \, \Vert \, x_j \, \Vert \, e_{ij}]`, never joined.

    :math:`W [x_i | x_j | e_{ij}] + b = (W_i x_i + b) + W_j x_j + W_e e_{ij}`: the
    layers :attr:`receiver` and :attr:`sender` are called once per site, not once per
    pair, and :attr:`pair` on the pairs. Weights are drawn, and older files read, as
    those of the joined map.

    Args:
        in_channels: Sizes of the receiving site's, the sending site's and the pair's
            vectors; ``-1`` takes the size of the first input, ``None`` is without.
        out_channels: Size of the result.
    """

    def __init__(
        self, in_channels: tuple[int, int, int | None], out_channels: int
    ) -> None:
        super().__init__()
        receiver, sender, pair = in_channels
        self.out_channels = out_channels
        self._takes_any = -1 in in_channels
        self._was_called = False
        self.receiver = _empty_linear(receiver, out_channels)
        self.sender = _empty_linear(sender, out_channels, bias=False)
        self.pair = (
            None if pair is None else _empty_linear(pair, out_channels, bias=False)
        )
        self._draw_weights()

    def project(self, sides: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the parts of the senders and of the receivers (with the bias)."""
        return self.sender(sides[0]), self.receiver(sides[1])

    def parts(self) -> list[nn.Linear]:
        """Return the layers of receivers, senders and, where they are used, pairs."""
        parts = (self.receiver, self.sender, self.pair)
        return [part for part in parts if part is not None]

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        self._draw_weights()

    def _draw_weights(self, kept: Collection[nn.Linear] = ()) -> None:
        """Draw those of one linear map; open sizes wait for inputs."""
        parts = [part for part in self.parts() if not is_lazy(part.weight)]
        if not {self.receiver, self.sender} <= {*parts}:
            return
        sizes, like = [part.weight.size(1) for part in parts], self.receiver.weight
        joined = nn.Linear(
            sum(sizes), self.out_channels, device=like.device, dtype=like.dtype
        )
        with torch.no_grad():
            if self.receiver not in kept:
                self.receiver.bias.copy_(joined.bias)
            for part, drawn in zip(parts, joined.weight.split(sizes, 1), strict=True):
                if part not in kept:
                    part.weight.copy_(drawn)

    def complete(self, sides: tuple[Tensor, Tensor], edge_attr: Tensor | None) -> None:
        """Let sizes that were left open be those of the first inputs.

        Raises:
            ValueError: If later ones have another size.
        """
        if not self._takes_any:
            return
        receiver, sender, *pair = self.parts()
        given = [("x", receiver, sides[1]), ("x", sender, sides[0])]
        if edge_attr is not None:
            given += [("edge_attr", part, edge_attr) for part in pair]
        known = [part for _, part, _ in given if not is_lazy(part.weight)]
        for name, part, features in given:
            if part in known:
                _check_width(name, features, part.weight.size(1))
            else:
                part(features[..., :0, :])
        if len(known) < len(given):
            self._draw_weights(kept=known if self._was_called else ())
        self._was_called = True

    def forward(
        self, receiver_i: Tensor, sender_j: Tensor, edge_attr: Tensor | None
    ) -> Tensor:
        """Add up the parts of each pair, ``[E, out_channels]``.

        Args:
            receiver_i: What :attr:`receiver` made of the receiver of each pair.
            sender_j: What :attr:`sender` made of its sender.
            edge_attr: Features of each pair ``[E, D]`` or ``[E]``; ``None`` for zeros.
        """
        out = receiver_i + sender_j
        if self.pair is None or edge_attr is None:
            return out
        if edge_attr.dim() == 1:
            edge_attr = edge_attr.unsqueeze(-1)
        result: Tensor = out + self.pair(edge_attr)
        return result

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        *args: Any,  # noqa: ANN401, of PyTorch
    ) -> None:
        joined = state_dict.get(f"{prefix}linear.weight")
        sizes = (
            [part.weight.size(1) for part in self.parts()] if joined is not None else []
        )
        if joined is not None and joined.size(-1) == sum(sizes):
            del state_dict[f"{prefix}linear.weight"]
            state_dict[f"{prefix}receiver.bias"] = state_dict.pop(
                f"{prefix}linear.bias"
            )
            for name, weight in zip(PARTS, joined.split(sizes, dim=1), strict=False):
                state_dict[prefix + name] = weight
        super()._load_from_state_dict(state_dict, prefix, *args)


def make_attention(
    in_channels: tuple[int, int, int | None],
    hidden: Sequence[int],
    heads: int,
    options: tuple[Norm, Activation],
) -> tuple[PairLinear, nn.Sequential]:
    """Return an MLP on pairs that gives one logit a head: its first layer, the others.

    Args:
        in_channels: As of :class:`PairLinear`.
        hidden: Widths of its hidden layers; none makes it linear.
        heads: Number of logits.
        options: Norm and activation of the hidden layers.

    Raises:
        ValueError: If ``hidden`` holds no whole numbers above 0.
    """
    if isinstance(hidden, int | float | str):
        raise ValueError(
            f"`attention_hidden` must be widths such as (225,), got {hidden!r}"
        )
    for width in hidden:
        require_positive(attention_hidden=width)
    if not hidden:
        return PairLinear(in_channels, heads), nn.Sequential()
    first = PairLayer(in_channels, hidden[0], *options)
    others = make_mlp(hidden[0], hidden[1:], *options)
    return first, others.append(nn.Linear(hidden[-1], heads))


def joined_form(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights as older files have them, each :class:`PairLinear` as one map."""
    joined = dict(weights)
    for stem in [name[: -len(PARTS[0])] for name in weights if name.endswith(PARTS[0])]:
        parts = [joined.pop(stem + part) for part in PARTS if stem + part in joined]
        joined[f"{stem}linear.weight"] = torch.cat(parts, dim=1)
        joined[f"{stem}linear.bias"] = joined.pop(f"{stem}receiver.bias")
    return joined


def _check_width(name: str, features: Tensor, width: int) -> None:
    if features.size(-1) != width:
        raise ValueError(
            f"`{name}` must have {width} columns, as the first inputs of the layer had,"
            f" got {list(features.shape)}"
        )


def _empty_linear(in_channels: int, out_channels: int, bias: bool = True) -> nn.Linear:
    """Return a linear layer whose weights are still to be drawn."""
    if in_channels == -1:
        lazy: nn.Linear = Linear(in_channels, out_channels, bias=bias)
        return lazy
    linear = nn.Linear(in_channels, out_channels, bias=bias, device="meta")
    return linear.to_empty(device=torch.get_default_device())


class PairLayer(PairLinear):
    """``norm(activation(pair linear))``; arguments as in :class:`PairLinear`."""

    def __init__(
        self,
        in_channels: tuple[int, int, int | None],
        out_channels: int,
        norm: Norm = "layer",
        activation: Activation = "mish",
        groups: int = 1,
    ) -> None:
        super().__init__(in_channels, out_channels)
        self.activation = make_activation(activation)
        self.norm = make_norm(norm, out_channels, groups)

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        super().reset_parameters()
        reset_layers(nn.ModuleList([self.activation, self.norm]))

    def forward(
        self, receiver_i: Tensor, sender_j: Tensor, edge_attr: Tensor | None
    ) -> Tensor:
        """Add up the parts of each pair, activate and normalise."""
        out = super().forward(receiver_i, sender_j, edge_attr)
        result: Tensor = self.norm(self.activation(out))
        return result
