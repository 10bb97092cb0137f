"""Attributes of sites and pairs, kept by those that stand for several equal ones."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch_geometric.data import Data

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

GEOMETRY = ("pos", "edge_shift")
"""Of single sites and pairs; equal ones have none in common."""

FEATURES = ("batch", "z", "x")
"""What sites must share to be equal."""

_NONE = np.empty(0, np.int64)
_NOISE = 1e-9  # far above rounding, far below what a distance means
_ROUNDING = 1e-5  # share of the largest value that single precision may be off
_SLOPE = 10.0  # per angstrom; steeper is no function of the distance in use here


class Classes(NamedTuple):
    """Which sites and pairs are equal.

    Args:
        first: The first site of each class, [n'].
        site: Class of each site, [n].
        pair: Merged pair that each pair goes to, [E].
        means: Of the columns of :class:`Columns`, one row per merged pair, [E', D].
    """

    first: Integers
    site: Integers
    pair: Integers
    means: Floats


class Columns(NamedTuple):
    """All real numbers that pairs carry, side by side.

    Args:
        values: The distance, then every column of every attribute, [E, 1 + C].
        widths: Columns of each attribute.
    """

    values: Floats
    widths: dict[str, int]


def real_columns(data: Data, distance: Floats) -> Columns:
    """Return the distance of each pair, [E], and beside it all real numbers it has."""
    columns, widths = [distance.reshape(-1, 1)], {}
    for key in [*data.keys()]:
        if key not in GEOMETRY and data.is_edge_attr(key) and _is_real(data[key]):
            if torch.is_grad_enabled() and data[key].requires_grad:
                raise ValueError(
                    f"`{key}` requires gradients, which merged pairs do not keep; leave"
                    " out MergeEquivalent where forces are wanted"
                )
            values = data[key].detach().cpu().double().numpy()
            columns.append(values.reshape(len(values), int(np.prod(values.shape[1:]))))
            widths[key] = columns[-1].shape[1]
    return Columns(np.hstack(columns), widths)


def carry(data: Data, classes: Classes, columns: Columns) -> None:
    """Reduce each attribute to the merged sites and pairs, in place.

    Args:
        data: The graph; ``edge_index`` is left as it is.
        classes: Which sites and pairs are equal.
        columns: What :func:`real_columns` returned.

    Raises:
        ValueError: If an attribute differs where sites or pairs are equal.
    """
    others = {"edge_index", "num_nodes", *GEOMETRY, *FEATURES, *columns.widths}
    keys = [key for key in data.keys() if key not in others]  # noqa: SIM118
    of_pairs = [key for key in keys if data.is_edge_attr(key)]
    of_sites = [key for key in keys if data.is_node_attr(key)]
    _check_alike(columns, classes)
    _set_means(data, classes.means, columns.widths)
    first = np.unique(classes.pair, return_index=True)[1] if of_pairs else _NONE
    for key in of_pairs:
        data[key] = _first(key, data[key], first, classes.pair)
    for key in of_sites:
        data[key] = _first(key, data[key], classes.first, classes.site)
    for key in set(data.keys()) & set(FEATURES):
        data[key] = data[key][torch.from_numpy(classes.first).to(data[key].device)]
    for key in set(data.keys()) & set(GEOMETRY):
        del data[key]
    if "num_nodes" in data:
        data.num_nodes = len(classes.first)


def _set_means(data: Data, means: Floats, widths: dict[str, int]) -> None:
    means, start = _without_noise(means), 1
    for key, width in widths.items():
        values = torch.from_numpy(means[:, start : start + width]).to(data[key])
        data[key] = values.reshape(-1, *data[key].shape[1:])
        start += width


def _is_real(values: object) -> bool:
    return isinstance(values, torch.Tensor) and values.is_floating_point()


def _check_alike(columns: Columns, classes: Classes) -> None:
    """Refuse values that differ more than those of equal distances would."""
    values, pair = columns.values, classes.pair
    if not len(pair):
        return
    scale = _ROUNDING * np.abs(values).max(axis=0)
    if (np.abs(values - classes.means[pair]) <= scale / 2).all():
        return
    order = np.argsort(pair, kind="stable")
    start = np.r_[0, np.flatnonzero(np.diff(pair[order])) + 1]
    table = values[order]
    spread = np.maximum.reduceat(table, start) - np.minimum.reduceat(table, start)
    differs = (spread > scale + _SLOPE * spread[:, :1]).any(axis=0)
    names = [key for key, width in columns.widths.items() for _ in range(width)]
    for key, is_bad in zip(names, differs[1:], strict=True):
        if is_bad:
            raise ValueError(_explain(key, "pairs"))


def _first(key: str, values: object, first: Integers, group: Integers) -> object:
    """Return the value that all members of each group have."""
    if "index" in key:
        raise ValueError(
            f"`{key}` holds places of sites, which merging changes; remove it before "
            "MergeEquivalent"
        )
    chosen: object
    if isinstance(values, list | tuple):
        firsts = [values[k] for k in first]
        alike = all(value == firsts[k] for value, k in zip(values, group, strict=True))
        chosen = firsts
    else:
        tensor = torch.as_tensor(values)
        rows = tensor[torch.from_numpy(first).to(tensor.device)]
        alike = _are_close(tensor, rows[torch.from_numpy(group).to(tensor.device)])
        chosen = rows
    if not alike:
        raise ValueError(_explain(key, "pairs" if "edge" in key else "sites"))
    return chosen


def _are_close(values: torch.Tensor, others: torch.Tensor) -> bool:
    if not values.is_floating_point() or not values.numel():
        return torch.equal(values, others)
    known = values.detach().nan_to_num(0.0, 0.0, 0.0)  # targets may be unknown
    scale = float(known.abs().max())
    return torch.allclose(
        values, others, rtol=0, atol=_ROUNDING * scale, equal_nan=True
    )


def _explain(key: str, what: str) -> str:
    return (
        f"`{key}` differs between {what} that are otherwise equal; remove it before "
        "MergeEquivalent, or put it into `x` to tell the sites apart"
    )


def _without_noise(values: Floats) -> Floats:
    """Give what differs by rounding alone, as of (i, j) and (j, i), one value."""
    cleaned = np.empty_like(values)
    if not len(values):
        return cleaned
    for number, column in enumerate(values.T):
        order = column.argsort(kind="stable")
        run = np.r_[0, (np.diff(column[order]) > _NOISE).cumsum()]
        means = np.bincount(run, column[order]) / np.bincount(run)
        cleaned[order, number] = means[run]
    return cleaned
