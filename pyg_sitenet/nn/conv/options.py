"""Options of a convolution, checked before its layers are made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyg_sitenet.nn.layers import require_positive


def check_channels(
    in_channels: int | tuple[int, int],
    edge_dim: int | None,
    update_edges: bool,
    *,
    projection: int | None,
    dropout: float,
    **sizes: int | None,
) -> tuple[int, int]:
    """Return the sizes of both sides of a graph; ``-1`` waits for the first inputs.

    Raises:
        ValueError: If a size is not above 0, pairs without a size of their own shall be
            updated, or `dropout` is given together with `projection`.
    """
    if projection is not None and dropout:
        raise ValueError(
            f"`dropout` must be 0 beside `projection`, got {dropout}; put a "
            "torch.nn.Dropout behind the layer"
        )
    is_pair = isinstance(in_channels, tuple | list) and len(in_channels) == 2
    if not is_pair and not isinstance(in_channels, int):
        raise ValueError(
            "`in_channels` must be one size, or those of senders and of receivers, got"
            f" {in_channels!r}"
        )
    both = (
        (in_channels, in_channels)
        if isinstance(in_channels, int)
        else (in_channels[0], in_channels[1])
    )
    require_positive(
        in_channels=min((size for size in both if size != -1), default=None),
        edge_dim=None if edge_dim == -1 else edge_dim,
        projection=projection,
        **sizes,
    )
    if update_edges and edge_dim in (None, -1):
        raise ValueError(
            "`edge_dim` must be the size of the pairs that `update_edges` makes, "
            f"got {edge_dim}"
        )
    return both


def message_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of ``MessagePassing``, with the sum as aggregation.

    Raises:
        ValueError: If channels shall be computed part by part.
    """
    if options.get("decomposed_layers", 1) != 1:
        raise ValueError(
            "`decomposed_layers` must be 1, since attention takes all channels at once,"
            f" got {options['decomposed_layers']}"
        )
    return {"aggr": "add", **options}
