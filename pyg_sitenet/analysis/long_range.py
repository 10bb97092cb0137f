"""How far the strongest attention of each crystal reaches, and what it follows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from scipy import stats
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import scatter

from pyg_sitenet.nn import SiteNet
from pyg_sitenet.nn.site_net import Attention

LONG_RANGE = "long range [A]"
MEASURES = ("configurational complexity [bit]", "cube root of volume [A]")
"""Columns of the table of crystals that the coefficient is compared with."""


@torch.no_grad()
def head_long_range(model: SiteNet, data: Data) -> Tensor:
    r"""Return :math:`\max_{ij} d_{ij} a_{ijh}` of each crystal, block and head.

    Args:
        model: The model that attends.
        data: A graph or batch of ``encode_structure``; a merged pair counts with the
            weight of one of its copies.

    Returns:
        Angstrom, shape ``[B, blocks, heads]``.
    """
    return largest_reach(model.attention(data), data.batch)


def largest_reach(attention: Attention, batch: Tensor | None) -> Tensor:
    """Return what :func:`head_long_range` does, of attention that is known.

    Args:
        attention: What :meth:`SiteNet.attention` returned.
        batch: Crystal of each site; ``None`` if there is one crystal.
    """
    distance = attention.edge_attr[:, :1]
    if attention.edge_multiplicity is not None:
        distance = distance / attention.edge_multiplicity.unsqueeze(-1)
    receiver = attention.edge_index[1]
    crystal = torch.zeros_like(receiver) if batch is None else batch[receiver]
    return torch.stack(
        [
            scatter(distance * alpha, crystal, reduce="max")
            for alpha in attention.weights
        ],
        dim=1,
    )


def long_range_coefficient(model: SiteNet, data: Data) -> Tensor:
    r"""Return the long-range coefficient of each crystal.

    .. math::
        L = \sum_h \max_{ij} d_{ij} \, a_{ijh} \quad \text{in the last block}

    Args:
        model: The model that attends.
        data: A graph or batch of ``encode_structure``.

    Returns:
        Angstrom, shape ``[B]``.

    Reference:
        Moran et al., Digital Discovery 2023, 2, 1297, equation 8.
    """
    return head_long_range(model, data)[:, -1].sum(dim=-1)


def head_column(block: int, head: int) -> str:
    """Return the column of a block's and head's reach, both counted from 1."""
    return f"long range of block {block} head {head} [A]"


def long_range_fits(crystals: pd.DataFrame, blocks: int, heads: int) -> pd.DataFrame:
    """Fit a line through the long-range coefficient over each measure.

    Args:
        crystals: Table of crystals with the columns :data:`LONG_RANGE`,
            :func:`head_column` and :data:`MEASURES`.
        blocks: Attention blocks of the model.
        heads: Attention heads of each.

    Returns:
        One row per measure for the coefficient itself (``block`` and ``head`` are
        ``all``) and for every head: number of ``crystals``, ``slope``, ``intercept``,
        ``pearson r`` with ``pearson p`` and ``spearman rho``; NaN where there are
        fewer than three crystals, or all are alike.
    """
    columns = [("all", "all", LONG_RANGE)]
    columns += [
        (str(block), str(head), head_column(block, head))
        for block in range(1, blocks + 1)
        for head in range(1, heads + 1)
    ]
    return pd.DataFrame(
        {"measure": measure, "block": block, "head": head}
        | _fit(crystals[measure], crystals[column])
        for measure in MEASURES
        for block, head, column in columns
    )


def _fit(measure: pd.Series, reach: pd.Series) -> dict[str, float]:
    x, y = measure.to_numpy(dtype=float), reach.to_numpy(dtype=float)
    finite = np.isfinite(x) & np.isfinite(y)
    x, y = x[finite], y[finite]
    names = ("slope", "intercept", "pearson r", "pearson p", "spearman rho")
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return {"crystals": len(x), **dict.fromkeys(names, np.nan)}
    line = stats.linregress(x, y)
    values = line.slope, line.intercept, line.rvalue, line.pvalue
    rank = stats.spearmanr(x, y).statistic
    return {
        "crystals": len(x),
        **dict(zip(names, map(float, (*values, rank)), strict=True)),
    }
