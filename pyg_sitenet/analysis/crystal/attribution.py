"""How a prediction answers to the pairs of a crystal, by its gradients."""

from __future__ import annotations

import copy
from typing import NamedTuple

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
    network, inputs = in_double(model, data)
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


def in_double(
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
