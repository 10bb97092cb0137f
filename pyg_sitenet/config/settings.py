"""Every setting of a run, as frozen and typed models with their defaults."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from pyg_sitenet.config.labels import as_label
from pyg_sitenet.config.search import (
    Choices,
    IntRange,
    LayersRange,
    LogRange,
    Searched,
)

Fraction = Annotated[float, Field(ge=0, lt=1)]
Width = Annotated[int, Field(ge=1)]
Widths = tuple[Width, ...]
Label = Annotated[str, BeforeValidator(as_label)]
Norm = Literal["layer", "batch", "none"]
Pooling = Literal["mean", "max", "attention"]
_GROUP = "group:"


def _check_labels(labels: tuple[str, ...]) -> tuple[str, ...]:
    if len(labels) == 1:
        raise ValueError("a target of classes needs two of them or more")
    double = {label for label in labels if labels.count(label) > 1}
    if double:
        raise ValueError(f"the class {min(double)!r} is there twice")
    return labels


def _check_split(split: str) -> str:
    if split in ("random", "composition"):
        return split
    if split.startswith(_GROUP) and split.removeprefix(_GROUP).strip():
        return _GROUP + split.removeprefix(_GROUP).strip()
    raise ValueError("expected random, composition or group:COLUMN")


Labels = Annotated[tuple[Label, ...], AfterValidator(_check_labels)]
Split = Annotated[str, AfterValidator(_check_split)]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:  # noqa: ANN401
        """Let the description of a searched field end with its range."""
        super().__pydantic_init_subclass__(**kwargs)
        for field in cls.model_fields.values():
            for one in field.metadata:
                if isinstance(one, Searched):
                    text = f"{field.description or ''} Searched: {one}."
                    field.description = text.strip()
        cls.model_rebuild(force=True)


class DataConfig(_Settings):
    """Which crystals, which targets, and how a crystal becomes a graph."""

    source: str = Field("dielectric", description="What the crystals are read from.")
    targets: tuple[str, ...] = Field(("band_gap",), min_length=1)
    units: dict[str, str] = Field({}, description="Units the data do not state.")
    classes: dict[str, Labels] = Field(
        {},
        description="Targets that are classes, with their labels in order; with none "
        "those of the data. Text and booleans always are.",
    )
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
    calibration_fraction: Fraction = Field(
        0.0, description="Share of the training part kept apart to calibrate intervals."
    )
    split_seed: int = Field(0, ge=0)
    split: Split = Field(
        "random",
        description="composition keeps polymorphs in one part, group:COLUMN what has "
        "the same value in a column of the data.",
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

    @property
    def group(self) -> str:
        """The column whose values the split keeps together; empty for none."""
        return self.split[len(_GROUP) :] if self.split.startswith(_GROUP) else ""


class ModelConfig(_Settings):
    """Sizes and options of :class:`~pyg_sitenet.nn.SiteNet`.

    What is searched, and in which range, is that of the paper's Table 1.
    """

    heads: Annotated[int, IntRange(1, 8)] = Field(
        3, ge=1, description="Attention heads."
    )
    site_channels_per_head: Annotated[int, IntRange(4, 32)] = Field(30, ge=1)
    edge_channels_per_head: Annotated[int, IntRange(4, 32)] = Field(16, ge=1)
    blocks: Annotated[int, IntRange(1, 3)] = Field(
        2, ge=1, description="Attention blocks."
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
    embedding_channels: Annotated[int, IntRange(1, 128)] = Field(
        92, ge=1, description="Learned numbers per element."
    )
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
    attention_decay: float | None = Field(
        None,
        ge=0.5,
        description="Angstrom over which attention falls to 1/e before it has learnt "
        "otherwise: so many atoms are easier to learn from.",
    )
    top_k: int | None = Field(
        None, ge=1, description="Keep the k largest logits of each site and head."
    )
    norm: Annotated[Norm, Choices(get_args(Norm))] = "layer"
    pooling: Annotated[Pooling, Choices(get_args(Pooling))] = "mean"
    activation: Literal["mish", "relu", "silu"] = "mish"
    output: Literal["identity", "softplus", "clamp"] = Field(
        "identity",
        description="clamp is max(y, 0) with the gradient of y: band gaps.",
    )


class TrainingConfig(_Settings):
    """How the weights are found."""

    max_epochs: int = Field(100, ge=1)
    members: int = Field(
        1, ge=1, description="Networks of an ensemble, each with a seed of its own."
    )
    learning_rate: Annotated[float, LogRange(5e-5, 1e-2)] = Field(
        8.126e-4, gt=0, description="The highest one."
    )
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
    loss: Literal["mae", "mse", "huber"] = Field(
        "mae", description="Of numbers; of classes it is the cross-entropy."
    )
    class_weights: Literal["none", "balanced"] = Field(
        "none", description="balanced lets rare classes weigh as much as frequent ones."
    )
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
