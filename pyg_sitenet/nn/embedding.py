"""What enters the first block: learnt vectors of sites and of pairs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pyg_sitenet.config import ModelConfig
from pyg_sitenet.data.elements import property_statistics
from pyg_sitenet.nn.fast.fused_layer import fused_layer
from pyg_sitenet.nn.layers import Layer

NUM_ELEMENT_ROWS = 200
"""Rows of the element table, indexed by atomic number; as many as published."""
NUM_PROPERTIES = 9
NUM_EDGE_FEATURES = 2
_EDGE_SCALE = 0.2  # brings distance and log Coulomb to the size of radial functions


class SiteEmbedding(nn.Module):
    r"""``layer([element vector | element properties | oxidation state])``.

    Shapes:
        - **input:** atomic numbers :math:`(|V|)`, properties :math:`(|V|, 9)`
        - **output:** :math:`(|V|, H \\cdot s)`
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.elements = nn.Embedding(
            NUM_ELEMENT_ROWS,
            config.embedding_channels,
            max_norm=config.embedding_max_norm,
        )
        self.elements.weight.data.mul_(config.embedding_spread)
        self.layer = Layer(
            config.embedding_channels + NUM_PROPERTIES,
            config.site_width,
            config.norm,
            config.activation,
        )
        mean, scale = torch.zeros(NUM_PROPERTIES), torch.ones(NUM_PROPERTIES)
        if config.standardize_features:
            mean, scale = (torch.as_tensor(s) for s in property_statistics())
        self.register_buffer("mean", mean.float(), persistent=False)
        self.register_buffer("scale", scale.float(), persistent=False)

    @torch.no_grad()
    def settle(self) -> None:
        """Shorten the element vectors above the norm limit until none is.

        This otherwise happens to each as it is used, to some of them twice because of
        rounding: what a model in use predicts would depend on what it has seen before.
        """
        rows = torch.arange(NUM_ELEMENT_ROWS, device=self.elements.weight.device)
        for _ in range(10):
            self.element_vectors(rows)

    def forward(self, z: Tensor, x: Tensor) -> Tensor:
        """Return the first site vectors."""
        out: Tensor = self.layer(self.features(z, x))
        return out

    def features(self, z: Tensor, x: Tensor) -> Tensor:
        """Return the site features, ``[n, embedding_channels + 9]``."""
        properties = (x.to(self.mean.dtype) - self.mean) / self.scale
        return torch.cat([self.element_vectors(z), properties], dim=-1)

    def element_vectors(self, z: Tensor) -> Tensor:
        """Return the learned vectors of elements, those too long shortened first."""
        limit, weight = self.elements.max_norm, self.elements.weight
        if limit is None or weight.device.type in ("cpu", "cuda"):
            vectors: Tensor = self.elements(z)
            return vectors
        shorten_rows(weight, z, limit)  # other devices have no kernel for it
        return nn.functional.embedding(z, weight)


@torch.no_grad()
def shorten_rows(weight: Tensor, rows: Tensor, limit: float) -> None:
    """Scale rows of a table that are longer than a limit to it, as PyTorch does.

    Args:
        weight: The table, changed in place, ``[n, F]``.
        rows: Which of its rows, each any number of times.
        limit: Largest Euclidean norm.
    """
    chosen = weight[rows]
    norm = chosen.norm(dim=-1, keepdim=True)
    shorter = chosen * (limit / (norm + 1e-7))
    weight[rows] = torch.where(norm > limit, shorter, chosen)


class EdgeEmbedding(nn.Module):
    r"""``layer([distance | log Coulomb | radial functions of the distance])``.

    The radial functions are ``num_radial`` Gaussians, evenly spaced from 0 to
    ``radial_max`` and as wide as their spacing. Beside them, and in the residual form,
    distance and log Coulomb are divided by 5.

    Shapes:
        - **input:** distance (angstrom) and log Coulomb :math:`(|E|, 2)`
        - **output:** :math:`(|E|, H \\cdot t)`
    """

    centers: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        centers = torch.linspace(0, config.radial_max, config.radial_basis)
        self.register_buffer("centers", centers, persistent=False)
        self.spacing = config.radial_max / max(config.radial_basis - 1, 1)
        self.scale = _EDGE_SCALE if config.form == "residual" else 1.0
        self.fused = True
        self.layer = Layer(
            NUM_EDGE_FEATURES + config.radial_basis,
            config.heads * config.edge_channels_per_head,
            config.norm,
            config.activation,
        )

    def forward(self, edge_attr: Tensor) -> Tensor:
        """Return the first pair vectors."""
        features = edge_attr.to(self.centers.dtype)
        if len(self.centers) > 0:
            steps = (features[:, :1] - self.centers) / self.spacing
            none = features.new_zeros(())
            radial = torch.addcmul(none, steps, steps, value=-0.5).exp()
            features = torch.cat([features * self.scale, radial], dim=-1)
        out: Tensor = (
            fused_layer(self.layer, features) if self.fused else self.layer(features)
        )
        return out
