"""Every setting of a run, as frozen and typed models with their defaults."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pyg_sitenet.config.model_settings import ModelConfig
from pyg_sitenet.config.search import LogRange
from pyg_sitenet.config.section import Section
from pyg_sitenet.config.setting_types import (
    GROUP,
    MAX_SEED,
    Atoms,
    Count,
    CountOrZero,
    Fraction,
    Labels,
    Minutes,
    Modules,
    Name,
    Seconds,
    Seed,
    Split,
    Text,
)


class DataConfig(Section):
    """Which crystals, which targets, and how a crystal becomes a graph."""

    source: Text = Field("band_gaps", description="What the crystals are read from.")
    targets: tuple[Name, ...] = Field(("band_gap",), min_length=1, max_length=1000)
    units: dict[Name, Name] = Field(
        {}, description="Unit of each target; values that state another are converted."
    )
    classes: dict[Name, Labels] = Field(
        {},
        description="Targets that are classes, with their labels in order; with none "
        "those of the data. Text and booleans always are.",
    )
    max_atoms: Atoms = Field(
        500,
        description="Atoms that a site attends to: at most in a supercell, on average "
        "in a sphere.",
    )
    environment: Literal["supercell", "sphere"] = "supercell"
    merge: bool = Field(
        True, description="Compute equal sites and pairs once: the same result sooner."
    )
    primitive_tolerance: float = Field(
        0.003,
        gt=0,
        le=10,
        description="Angstrom by which copies of an atom may differ: what differs less "
        "is averaged.",
    )
    test_fraction: Fraction = Field(0.2, description="Never seen in training.")
    val_fraction: Fraction = Field(0.1, description="Share of the training part.")
    calibration_fraction: Fraction = Field(
        0.0, description="Share of the training part kept apart to calibrate intervals."
    )
    split_seed: Seed = 0
    split: Split = Field(
        "random",
        description="composition keeps polymorphs in one part, group:COLUMN what has "
        "the same value in a column of the data.",
    )
    folds: int | None = Field(
        None, ge=2, le=10**6, description="Parts of a cross-validation."
    )
    fold: CountOrZero = Field(0, description="Which of them is the test part.")
    max_sites: Count = Field(1200, description="Unique sites in a batch.")
    max_pairs: Count = Field(
        600_000, description="Pairs in a batch: bounds the memory of a step."
    )
    max_crystals: Count | None = Field(
        None, description="Crystals in a batch to train on."
    )
    disorder: Literal["error", "sample", "enumerate"] = Field(
        "error", description="What to do with partly occupied sites."
    )
    orderings: int = Field(
        8,
        ge=1,
        le=10_000,
        description="Most orderings of a disordered crystal.",
    )
    disorder_seed: Seed = Field(0, description="Seed of the sampled orderings.")
    time_limit: Seconds = Field(
        60.0, description="Seconds a crystal may take to become a graph."
    )
    workers: int = Field(
        0, ge=0, le=4096, description="Processes; 0 takes one per core."
    )
    loader_workers: int | None = Field(
        None,
        ge=0,
        le=256,
        description="Processes that read batches ahead; by default up to 4 for a CUDA "
        "device, else none.",
    )

    @model_validator(mode="after")
    def _check_fold(self) -> DataConfig:
        """Refuse a fold where there are none: nothing would come of it."""
        if self.folds is None and self.fold:
            raise ValueError(f"fold {self.fold} needs data.folds, how many there are")
        return self

    @property
    def group(self) -> str:
        """The column whose values the split keeps together; empty for none."""
        return self.split[len(GROUP) :] if self.split.startswith(GROUP) else ""


class TrainingConfig(Section):
    """How the weights are found."""

    max_epochs: Count = 100
    members: Modules = Field(
        1, description="Networks of an ensemble, each with a seed of its own."
    )
    learning_rate: Annotated[float, LogRange(5e-5, 1e-2)] = Field(
        8.126e-4, gt=0, description="The highest one."
    )
    optimizer: Literal["adamw", "muon"] = Field(
        "adamw",
        description="muon: orthogonal steps of the matrices, AdamW of the rest.",
    )
    weight_decay: float = Field(1e-4, ge=0)
    eps: float = Field(1e-7, gt=0)
    amsgrad: bool = True
    max_steps: Count | None = Field(
        None,
        description="Batches a network is trained on, in whole epochs and not fewer "
        "than 36: large data need fewer epochs. max_epochs is the most.",
    )
    schedule: Literal["constant", "cosine", "one_cycle"] = "constant"
    warmup_epochs: CountOrZero = Field(
        0, description="Not with one_cycle, which rises."
    )
    gradient_clip: float = Field(1.0, gt=0, description="Largest gradient norm.")
    accumulate: Count = Field(1, description="Batches that make one step.")
    ema_decay: Fraction = Field(
        0.0, description="Average weights over about 1 / (1 - decay) steps; 0 does not."
    )
    early_stopping: Count | None = Field(
        None, description="Stop after so many epochs without a better validation."
    )
    precision: Literal["float32", "bfloat16", "float16"] = Field(
        "float32", description="The shorter ones are mixed with float32 (GPUs)."
    )
    deterministic: bool = Field(
        False,
        description="Sums in a fixed order on a GPU, too: slower, but a repeated or "
        "resumed run is equal bit by bit. On the CPU it is so anyway.",
    )
    compile: bool = Field(
        False,
        description="Train with torch.compile instead of the fused blocks; the first "
        "step takes minutes, and memory grows with the pairs.",
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
    target_transform: dict[Name, Literal["log", "log10", "log1p"]] = Field(
        {}, description="Learn the logarithm of a target; errors stay in its unit."
    )
    initial_model: Text | None = Field(
        None,
        description="Model file, run folder or ready model to fine-tune.",
    )
    freeze_encoder: bool = Field(
        False, description="Train the layers after pooling alone."
    )
    on_nonfinite: Literal["error", "skip"] = Field(
        "error", description="What a loss or gradient that is not finite does."
    )
    nonfinite_limit: CountOrZero = Field(10, description="Steps a run may skip.")
    checkpoint_minutes: Minutes = Field(
        10.0, description="Most minutes of work that a crash within an epoch costs."
    )
    checkpoint_steps: Count | None = Field(
        None, description="The same in steps; the first of the two counts."
    )
    seed: Seed = 0

    @model_validator(mode="after")
    def _check_seeds(self) -> TrainingConfig:
        """Refuse seeds of members that are no seeds: (seed + 1) members of them."""
        if (self.seed + 1) * self.members > MAX_SEED:
            raise ValueError(f"seed times members must be at most {MAX_SEED:,}")
        return self


class Config(Section):
    """A whole run: re-running it repeats the run."""

    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
