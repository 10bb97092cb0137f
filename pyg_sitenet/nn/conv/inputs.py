"""What a convolution is given, checked and brought into one form."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch_geometric.typing import Adj, OptPairTensor, OptTensor, Size
from torch_geometric.utils import is_sparse, is_torch_sparse_tensor

from pyg_sitenet.nn.fast.plain_gradients import is_transformed
from pyg_sitenet.nn.fast.precision import logit_type
from pyg_sitenet.nn.pairs.pair_linear import PairLinear
from pyg_sitenet.nn.pairs.weights import log_weight


def both_sides(
    x: Tensor | OptPairTensor,
    edge_index: Adj,
    size: Size,
    channels: tuple[int, int],
) -> tuple[Tensor, Tensor]:
    """Return features of both sides; receivers without any have zeros.

    Args:
        x: Features of all sites, or of both sides; ``None`` for receivers without.
        edge_index: Edge indices or a sparse (transposed) adjacency.
        size: Numbers of senders and of receivers.
        channels: Sizes of the vectors of senders and of receivers; -1 for any.

    Raises:
        TypeError: If something is no tensor, such as an array of NumPy.
        ValueError: If a tensor has fewer than two dimensions, or vectors of another
            size.
    """
    x_src, x_dst = x if isinstance(x, tuple | list) else (x, x)
    _check_tensor("x", x_src)
    if x_dst is None:
        count = x_src.size(-2)
        if size is not None:
            count = count if size[1] is None else size[1]
        elif is_sparse(edge_index):
            count = edge_index.size(0)
        width = max(channels[1], 0)
        x_dst = x_src.new_zeros(*x_src.shape[:-2], count, width)
    _check_tensor("x", x_dst)
    for side, width in zip((x_src, x_dst), channels, strict=True):
        is_other = not is_transformed() and width not in (-1, *side.shape[-1:])
        if side.dim() < 2 or is_other:
            expected = "channels" if width == -1 else width
            raise ValueError(
                f"`x` must have shape [num_nodes, {expected}], got {list(side.shape)}"
            )
    return x_src, x_dst


def _check_tensor(name: str, value: object) -> None:
    if not isinstance(value, Tensor) and not is_sparse(value):
        raise TypeError(
            f"`{name}` must be a tensor, as torch.as_tensor makes it, got"
            f" {type(value).__name__}"
        )


def sides(
    x: tuple[Tensor, Tensor], *layers: PairLinear | None
) -> list[tuple[OptTensor, OptTensor]]:
    """Return what each layer makes of senders and of receivers.

    They go to message passing by names of their own: of tuples PyG takes the first for
    the senders, or for the receivers where messages flow from target to source.
    """
    return [(None, None) if layer is None else layer.project(x) for layer in layers]


def pair_features(
    edge_index: Adj, edge_attr: OptTensor, edge_dim: int | None
) -> OptTensor:
    """Return pair features as columns, checked against the edge indices.

    Raises:
        TypeError: If the indices are no tensor, such as an array of NumPy.
        ValueError: If shapes do not fit, or there are features but no ``edge_dim``.
    """
    _check_tensor("edge_index", edge_index)
    if edge_attr is None and is_torch_sparse_tensor(edge_index):
        values = edge_index.values()
        edge_attr = values if edge_dim is not None or values.dim() > 1 else None
    if edge_attr is not None and edge_attr.dim() == 1:
        edge_attr = edge_attr.unsqueeze(-1)
    if edge_attr is not None and edge_dim is None:
        raise ValueError(
            "`edge_attr` needs a layer with `edge_dim`, the size of its vectors: "
            f"{edge_attr.size(-1)}"
        )
    if is_transformed():
        return edge_attr
    if not is_sparse(edge_index) and edge_index.shape[:-1] != (2,):
        raise ValueError(
            f"`edge_index` must have shape [2, num_edges], got {list(edge_index.shape)}"
        )
    if edge_attr is None:
        return None
    count = _num_pairs(edge_index)
    width = edge_attr.size(-1) if edge_dim == -1 else edge_dim
    if edge_attr.shape[-2:] != (count, width):
        raise ValueError(
            f"`edge_attr` must have shape [{count}, {edge_dim}], one row for each pair "
            f"of `edge_index`, got {list(edge_attr.shape)}"
        )
    return edge_attr


def _num_pairs(edge_index: Adj) -> int:
    if not is_sparse(edge_index):
        return int(edge_index.size(1))
    return int(
        edge_index._nnz() if is_torch_sparse_tensor(edge_index) else edge_index.nnz()
    )


def check_values(edge_index: Adj, **values: OptTensor) -> None:
    """Raise ``ValueError`` for the first without one value, at least 0, a pair."""
    for name, tensor in values.items():
        # Sizes may not be known yet where code is transformed, but dimensions are.
        if tensor is None or (is_transformed() and tensor.dim() == 1):
            continue
        count = "num_edges" if is_transformed() else _num_pairs(edge_index)
        if tensor.shape != (count,):
            raise ValueError(
                f"`{name}` must have shape [{count}], one value for each pair of "
                f"`edge_index`, got {list(tensor.shape)}"
            )
    check_counts(**values)


def check_counts(**counts: OptTensor) -> None:
    """Raise ``ValueError`` for the first with a negative number; a GPU is not asked."""
    for name, count in counts.items():
        if count is None or count.device.type != "cpu" or is_transformed():
            continue
        if len(count) and count.detach().min() < 0:
            raise ValueError(
                f"`{name}` must be at least 0, got {float(count.detach().min()):g}"
            )


def first_log_lengths(ends: tuple[float, float] | None, heads: int) -> OptTensor:
    """Return the logarithms of one length a head, evenly from the first to the last.

    Raises:
        ValueError: If a length is not above 0.
    """
    if ends is None:
        return None
    is_pair = not isinstance(ends, float | int) and len(ends) == 2
    if not is_pair or not 0 < min(ends) <= max(ends) < math.inf:
        raise ValueError(f"`locality` must be two lengths above 0, got {ends}")
    return torch.linspace(math.log(ends[0]), math.log(ends[1]), heads)


def logit_prior(
    log_length: OptTensor,
    edge_length: OptTensor,
    edge_weight: OptTensor,
    x: Tensor,
) -> OptTensor:
    """Return what is added to the logits of each pair, ``[E, H]`` or ``[E, 1]``.

    Args:
        log_length: Logarithm of the range of each head, ``[H]``.
        edge_length: Length of each pair, ``[E]``.
        edge_weight: How much each copy of a pair counts, ``[E]``.
        x: What the logits are made of.

    Raises:
        ValueError: If heads have ranges and pairs have no lengths.
    """
    prior, dtype = None, logit_type(x)
    if log_length is not None:
        if edge_length is None:
            raise ValueError(
                "a layer with `locality` needs the length of each pair: pass "
                "`edge_length`, of shape [E]"
            )
        length = edge_length.to(dtype).unsqueeze(-1)
        prior = length * -torch.exp(-log_length.to(dtype))
    if edge_weight is None:
        return prior
    weight = log_weight(edge_weight, dtype).unsqueeze(-1)
    return weight if prior is None else prior + weight
