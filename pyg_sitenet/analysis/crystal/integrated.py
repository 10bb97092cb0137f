"""What the features of each site add to a prediction: integrated gradients."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data

from pyg_sitenet.analysis.crystal.attribution import in_double
from pyg_sitenet.errors import SiteNetWarning
from pyg_sitenet.nn import SiteNet

_POINTS = 8  # of the Gauss-Legendre integral over a part of the path


def integrated_gradients(
    model: SiteNet, data: Data, tolerance: float = 3e-3, most_parts: int = 100
) -> Tensor:
    r"""Return what the features of each site of a crystal add to the prediction.

    .. math::
        a_i = \int_0^1 \frac{\partial y(t \mathbf{x})}{\partial \mathbf{x}_i} \cdot
        \mathbf{x}_i \, \mathrm{d}t

    where :math:`\mathbf{x}` are the features that enter the first layer. Together the
    sites add up to the prediction less that of the same crystal with features 0. The
    path is cut finer where they do not: the maximum over the sites has kinks, and near
    features of 0 the prediction is steep.

    Args:
        model: The model; it stays as it is.
        data: The graph of one crystal.
        tolerance: By how much the sum over the sites may be wrong, in units of the
            spread of the training targets.
        most_parts: Into how many the path is cut: at most 16 gradients for each.

    Returns:
        ``[n, T]`` in units of the targets and double precision, on the CPU, of all
        copies of a merged site together.

    Warns:
        SiteNetWarning: If the sum is still further off then.

    Reference:
        Sundararajan, Taly, Yan, ICML 2017, https://arxiv.org/abs/1703.01365.
    """
    network, inputs = in_double(model, data)
    x = inputs.pop("x")
    scale = model.target_scale.to(x).abs()

    def value(features: Tensor) -> Tensor:
        values: Tensor = network(features, **inputs)[0] / scale
        return values  # [T]

    parts = _parts(value, x, tolerance, most_parts)
    error = sum(part.error for part in parts)
    if error > tolerance:
        warnings.warn(
            f"the integrated gradients add up to the prediction within {error:.2g} of"
            f" the spread of the training targets alone, asked for {tolerance:.2g}",
            SiteNetWarning,
            stacklevel=2,
        )
    total = torch.stack([part.integral for part in parts]).sum(dim=0)
    return (total * scale).cpu()


def _parts(
    value: Callable[[Tensor], Tensor], x: Tensor, tolerance: float, most: int
) -> list[_Part]:
    """Halve the worst part of the path until all together are good enough."""
    parts = [_Part.of(value, x, (0.0, 1.0))]
    while len(parts) < most and sum(part.error for part in parts) > tolerance:
        worst = max(parts, key=lambda part: part.error)
        parts.remove(worst)
        start, end = worst.ends
        middle = (start + end) / 2
        parts += [_Part.of(value, x, ends) for ends in ((start, middle), (middle, end))]
    return parts


class _Part(NamedTuple):
    """A part of the way from features of 0 to those of the crystal.

    Attributes:
        ends: Where it begins and ends, between 0 and 1.
        integral: Over it, of each site and target, [n, T].
        error: By how much the sum over the sites differs from the change of a target.
    """

    ends: tuple[float, float]
    integral: Tensor
    error: float

    @classmethod
    def of(
        cls, value: Callable[[Tensor], Tensor], x: Tensor, ends: tuple[float, float]
    ) -> _Part:
        """Integrate from one end to the other."""
        places, weights = np.polynomial.legendre.leggauss(_POINTS)
        length = ends[1] - ends[0]
        integral = x.new_zeros(())
        for place, weight in zip(places, weights, strict=True):
            point = (x * (ends[0] + length * (place + 1) / 2)).requires_grad_()
            slopes = [
                torch.autograd.grad(each, point, retain_graph=True)[0]
                for each in value(point)
            ]
            added = torch.stack([(slope * x).sum(-1) for slope in slopes], dim=-1)
            integral = integral + weight * length / 2 * added
        with torch.no_grad():
            change = value(x * ends[1]) - value(x * ends[0])
        error = (integral.sum(dim=0) - change).abs().max()
        return cls(ends, integral, float(error))
