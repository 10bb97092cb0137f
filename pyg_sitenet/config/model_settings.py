"""Sizes and options of the network, and in which ranges they are searched."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, model_validator

from pyg_sitenet.config.search import (
    Choices,
    IntRange,
    LayersRange,
)
from pyg_sitenet.config.section import Section
from pyg_sitenet.config.setting_types import (
    MAX_WIDTH,
    Count,
    Length,
    Modules,
    Width,
    Widths,
)

Norm = Literal["layer", "batch", "none"]
Pooling = Literal["mean", "max", "mean_max", "attention"]
_FORMER = ("attention_decay",)


class ModelConfig(Section):
    """Sizes and options of :class:`~pyg_sitenet.nn.SiteNet`.

    What is searched, and in which range, is that of the paper's Table 1.
    """

    form: Literal["published", "residual"] = Field(
        "published",
        description="published: blocks as in the paper, all of them read out; residual:"
        " attention and feed-forward layers that add to one vector per site, which is "
        "read out at the end.",
    )
    width: Width = Field(96, description="Channels of a site between residual blocks.")
    heads: Annotated[Modules, IntRange(1, 8)] = Field(3, description="Attention heads.")
    site_channels_per_head: Annotated[Width, IntRange(4, 32)] = 30
    edge_channels_per_head: Annotated[Width, IntRange(4, 32)] = 16
    blocks: Annotated[Modules, IntRange(1, 3)] = Field(
        2, description="Attention blocks."
    )
    attention_hidden: Annotated[
        Widths, LayersRange(IntRange(0, 3), IntRange(32, 256))
    ] = Field((225,), description="Of the network of attention weights.")
    pre_pool: Annotated[Widths, LayersRange(IntRange(1, 4), IntRange(32, 256))] = Field(
        (94,), description="Layers of each site before pooling."
    )
    post_pool: Annotated[Widths, LayersRange(IntRange(1, 4), IntRange(32, 256))] = (
        Field((200, 200, 200), description="Layers of the crystal after pooling.")
    )
    embedding_channels: Annotated[Width, IntRange(1, 128)] = Field(
        92, description="Learned numbers per element."
    )
    embedding_max_norm: float | None = Field(1.0, gt=0)
    embedding_spread: float = Field(
        1.0, gt=0, le=100, description="Of the first element vectors."
    )
    standardize_features: bool = Field(
        False, description="Scale element properties to mean 0, spread 1."
    )
    radial_basis: int = Field(
        0,
        ge=0,
        le=2**16,
        description="Radial functions of the distance beside the two features.",
    )
    radial_max: float = Field(10.0, gt=0, description="Angstrom; the last function.")
    residual: bool = Field(
        False, description="Of published blocks: add the input of each to its output."
    )
    dropout: float = Field(0.0, ge=0, lt=1)
    share_value_network: bool = Field(
        True, description="One value network for all heads; the paper's text has more."
    )
    distance_cutoff: float | None = Field(
        None, gt=0, description="Angstrom; pairs beyond it are left out."
    )
    locality: tuple[Length, Length] | None = Field(
        None,
        description="Angstrom: initial range of the first head and of the last one; "
        "those between are spaced evenly by their logarithm.",
    )
    top_k: Count | None = Field(
        None, description="Keep the k largest logits of each site and head."
    )
    norm: Annotated[Norm, Choices(get_args(Norm))] = "layer"
    pooling: Annotated[Pooling, Choices(get_args(Pooling))] = "mean"
    activation: Literal["mish", "relu", "silu"] = "mish"
    output: Literal["identity", "softplus", "clamp"] = Field(
        "identity",
        description="clamp is max(y, 0) with the gradient of y: band gaps.",
    )

    @property
    def site_width(self) -> int:
        """Channels of a site before and after each block."""
        if self.form == "residual":
            return self.width
        return self.heads * self.site_channels_per_head

    @model_validator(mode="before")
    @classmethod
    def _drop_former(cls, values: Any) -> Any:  # noqa: ANN401, what a file holds
        """Leave out settings that are gone, where an earlier file has them off."""
        if not isinstance(values, dict):
            return values
        return {k: v for k, v in values.items() if v or k not in _FORMER}

    @model_validator(mode="after")
    def _check_widths(self) -> ModelConfig:
        """Refuse sites and pairs of more channels than a layer may have."""
        channels = max(self.site_channels_per_head, self.edge_channels_per_head)
        if self.heads * channels > MAX_WIDTH:
            raise ValueError(
                f"heads times channels per head must be at most {MAX_WIDTH:,}"
            )
        if self.form == "published" and self.locality is not None:
            raise ValueError("locality needs form=residual")
        return self
