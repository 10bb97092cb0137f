"""Every setting of a run, as frozen and typed models with their defaults."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0, lt=1)]
Width = Annotated[int, Field(ge=1)]
Widths = tuple[Width, ...]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DataConfig(_Settings):
    """Which crystals, which targets, and how a crystal becomes a graph."""

    source: str = Field("dielectric", description="What the crystals are read from.")
    targets: tuple[str, ...] = Field(("band_gap",), min_length=1)
    units: dict[str, str] = Field({}, description="Units the data do not state.")
    max_atoms: int = Field(500, ge=1, description="Atoms each site attends to.")
    environment: Literal["supercell", "sphere"] = "supercell"
    merge: bool = Field(
        True, description="Keep one of equal sites and pairs: same result, for less."
    )
    primitive_tolerance: float = Field(
        0.1, gt=0, description="Angstrom; at 0.5 real distortions vanish."
    )
    test_fraction: Fraction = Field(0.2, description="Never seen in training.")
    val_fraction: Fraction = Field(0.1, description="Share of the training part.")
    split_seed: int = Field(0, ge=0)
    split: Literal["random", "composition"] = Field(
        "random", description="composition keeps polymorphs in one part."
    )
    folds: int | None = Field(None, ge=2, description="Parts of a cross-validation.")
    fold: int = Field(0, ge=0, description="Which of them is the test part.")
    max_sites: int = Field(1200, ge=1, description="Unique sites in a batch.")
    max_pairs: int = Field(
        600_000, ge=1, description="Pairs in a batch: bounds the memory of a step."
    )
    disorder: Literal["error", "sample", "enumerate"] = Field(
        "error", description="What to do with partly occupied sites."
    )
    orderings: int = Field(
        8, ge=1, description="Ordered approximants of a disordered crystal at most."
    )
    disorder_seed: int = Field(0, ge=0, description="Decides the sampled orderings.")
    time_limit: float = Field(
        60.0, gt=0, description="Seconds a crystal may take to become a graph."
    )
    workers: int = Field(0, ge=0, description="Processes; 0 takes one per core.")


class ModelConfig(_Settings):
    """Sizes and options of :class:`~pyg_sitenet.nn.SiteNet`; ranges as in Table 1."""

    heads: int = Field(3, ge=1, description="Attention heads (1 to 8).")
    site_channels_per_head: int = Field(30, ge=1, description="4 to 32.")
    edge_channels_per_head: int = Field(16, ge=1, description="4 to 32.")
    blocks: int = Field(2, ge=1, description="Attention blocks (1 to 3).")
    attention_hidden: Widths = Field((225,), description="0 to 3 of 32 to 256.")
    pre_pool: Widths = Field((94,), description="1 to 4 of 32 to 256.")
    post_pool: Widths = Field((200, 200, 200), description="1 to 4 of 32 to 256.")
    embedding_channels: int = Field(92, ge=1, description="1 to 128 per element.")
    embedding_max_norm: float | None = Field(1.0, gt=0)
    standardize_features: bool = Field(
        False, description="Scale element properties to mean 0, spread 1."
    )
    radial_basis: int = Field(
        0, ge=0, description="Radial functions of the distance beside the two features."
    )
    radial_max: float = Field(10.0, gt=0, description="Angstrom; the last function.")
    residual: bool = Field(False, description="Add each block's input to its output.")
    dropout: float = Field(0.0, ge=0, lt=1)
    share_value_network: bool = Field(
        True, description="One value network for all heads; the paper's text has more."
    )
    distance_cutoff: float | None = Field(
        None, gt=0, description="Angstrom; pairs beyond it are left out."
    )
    top_k: int | None = Field(
        None, ge=1, description="Keep the k largest logits of each site and head."
    )
    norm: Literal["layer", "batch", "none"] = "layer"
    pooling: Literal["mean", "max", "attention"] = "mean"
    activation: Literal["mish", "relu", "silu"] = "mish"
    output: Literal["identity", "softplus", "clamp"] = Field(
        "identity",
        description="clamp is max(y, 0) with the gradient of y: band gaps.",
    )


class TrainingConfig(_Settings):
    """How the weights are found."""

    max_epochs: int = Field(100, ge=1)
    learning_rate: float = Field(8.126e-4, gt=0, description="The highest one.")
    weight_decay: float = Field(1e-4, ge=0)
    eps: float = Field(1e-7, gt=0)
    amsgrad: bool = True
    schedule: Literal["constant", "cosine", "one_cycle"] = "constant"
    warmup_epochs: int = Field(0, ge=0, description="Not with one_cycle, which rises.")
    gradient_clip: float = Field(1.0, gt=0, description="Largest gradient norm.")
    accumulate: int = Field(1, ge=1, description="Batches that make one step.")
    ema_decay: Fraction = Field(
        0.0, description="Average weights over about 1 / (1 - decay) steps; 0 does not."
    )
    early_stopping: int | None = Field(
        None, ge=1, description="Stop after so many epochs without a better validation."
    )
    precision: Literal["float32", "bfloat16", "float16"] = Field(
        "float32", description="The shorter ones are mixed with float32 (GPUs)."
    )
    loss: Literal["mae", "mse", "huber"] = "mae"
    huber_delta: float = Field(1.0, gt=0, description="Where huber turns linear.")
    standardize_target: bool = Field(
        False, description="Train on (y - mean) / spread of the training targets."
    )
    target_transform: dict[str, Literal["log", "log10", "log1p"]] = Field(
        {}, description="Learn the logarithm of a target; errors stay in its unit."
    )
    initial_model: str | None = Field(
        None, description="Model file or run folder to start from (fine-tuning)."
    )
    freeze_encoder: bool = Field(
        False, description="Train the layers after pooling alone."
    )
    on_nonfinite: Literal["error", "skip"] = Field(
        "error", description="What a loss or gradient that is not finite does."
    )
    nonfinite_limit: int = Field(10, ge=0, description="Steps a run may skip.")
    checkpoint_minutes: float = Field(
        10.0, gt=0, description="Work that a crash within an epoch may cost."
    )
    checkpoint_steps: int | None = Field(
        None, ge=1, description="The same in steps, whichever comes first."
    )
    seed: int = Field(0, ge=0)


class Config(_Settings):
    """A whole run: re-running it repeats the run."""

    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
