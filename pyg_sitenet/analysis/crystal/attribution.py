"""What a prediction rests on, by its gradients: pairs and sites."""

from __future__ import annotations

import copy
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data

from pyg_sitenet.devices import has_doubles
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.nn.explainable import ExplainableSiteNet


class PairGradients(NamedTuple):
    """Gradients of the properties of one crystal, of all copies of a pair together."""

    distance: Tensor
    """``[E, T]``, per angstrom: if the pair's atoms moved apart, at fixed weights."""
    weight: Tensor
    """``[E, T]``: if the logarithm of the pair's weight grew, as by a copy more."""


def pair_gradients(model: SiteNet, data: Data) -> PairGradients:
    r"""Return how the prediction answers to each pair of a crystal.

    The distance acts through itself and through :math:`\ln C_{ij} \sim -\ln d_{ij}`.
    The weight is the factor :math:`m_{ij}` beside the exponential of the logits in all
    blocks: a pair that pulls the prediction up has a positive gradient.

    Args:
        model: The model; it stays as it is.
        data: The graph of one crystal.

    Returns:
        Gradients in double precision on the CPU; both are 0 for a pair beyond the
        model's cutoff, the first also for an atom with itself.
    """
    network, inputs = _in_double(model, data)
    edge_attr = inputs["edge_attr"].requires_grad_()
    weight = inputs.get("edge_weight", torch.ones_like(edge_attr[:, 0]))
    inputs["edge_weight"] = weight.requires_grad_()
    values = network(**inputs)[0]  # [T]
    slopes = [
        torch.autograd.grad(value, (edge_attr, weight), retain_graph=True)
        for value in values
    ]
    of_attr = torch.stack([attr for attr, _ in slopes], dim=-1)  # [E, 2, T]
    of_weight = torch.stack(
        [weight_slope for _, weight_slope in slopes], dim=-1
    )  # [E, T]
    distance = edge_attr.detach()[:, :1]
    apart = distance > 0
    slope = of_attr[:, 0] - of_attr[:, 1] / torch.where(apart, distance, 1)
    within_reach = torch.ones_like(apart)
    if model.config.distance_cutoff is not None:
        within_reach = distance <= model.config.distance_cutoff
    return PairGradients(
        torch.where(apart & within_reach, slope, 0).cpu(),
        torch.where(within_reach, of_weight * weight.detach().unsqueeze(-1), 0).cpu(),
    )


def integrated_gradients(model: SiteNet, data: Data, steps: int = 32) -> Tensor:
    r"""Return what the features of each site of a crystal add to the prediction.

    .. math::
        a_i = \int_0^1 \frac{\partial y(t \mathbf{x})}{\partial \mathbf{x}_i} \cdot
        \mathbf{x}_i \, \mathrm{d}t

    where :math:`\mathbf{x}` are the features that enter the first layer. Together the
    sites add up to the prediction less that of the same crystal with features 0.

    Args:
        model: The model; it stays as it is.
        data: The graph of one crystal.
        steps: Points of the (Gauss-Legendre) integral.

    Returns:
        ``[n, T]`` in units of the targets and double precision, on the CPU, of all
        copies of a merged site together.

    Reference:
        Sundararajan, Taly, Yan, ICML 2017, https://arxiv.org/abs/1703.01365.
    """
    network, inputs = _in_double(model, data)
    x = inputs.pop("x")
    places, weights = np.polynomial.legendre.leggauss(steps)
    total = x.new_zeros(len(x), len(model.target_mean))
    for place, weight in zip((places + 1) / 2, weights / 2, strict=True):
        point = (x * place).requires_grad_()
        values = network(point, **inputs)[0]
        slopes = [
            torch.autograd.grad(value, point, retain_graph=True)[0] for value in values
        ]
        total += weight * torch.stack([(slope * x).sum(-1) for slope in slopes], dim=-1)
    return total.cpu()


def _in_double(
    model: SiteNet, data: Data
) -> tuple[ExplainableSiteNet, dict[str, Tensor]]:
    """Return a copy in double precision, and leaves for its inputs.

    They are on the CPU where the model's device has no doubles.
    """
    device = model.target_mean.device
    home = device if has_doubles(device) else torch.device("cpu")
    network = ExplainableSiteNet(copy.deepcopy(model).to(home).double().eval())
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    inputs = {
        name: value.detach().clone().double() if value.is_floating_point() else value
        for name, value in network.inputs(copy.copy(data).to(home)).items()
        if value is not None
    }
    return network, inputs
