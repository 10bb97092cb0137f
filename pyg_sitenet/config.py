"""Every setting of a run as frozen, typed models; YAML and ``--set`` map onto them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pyg_sitenet.errors import ConfigError

PRESETS = ("paper", "default")

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
    learning_rate: float = Field(8.126e-4, gt=0)
    weight_decay: float = Field(1e-4, ge=0)
    eps: float = Field(1e-7, gt=0)
    amsgrad: bool = True
    schedule: Literal["constant", "cosine"] = "constant"
    warmup_epochs: int = Field(0, ge=0)
    gradient_clip: float = Field(1.0, gt=0, description="Largest gradient norm.")
    ema_decay: Fraction = Field(
        0.0, description="Average weights over about 1 / (1 - decay) steps; 0 does not."
    )
    loss: Literal["mae", "mse", "huber"] = "mae"
    standardize_target: bool = Field(
        False, description="Train on (y - mean) / spread of the training targets."
    )
    seed: int = Field(0, ge=0)


class Config(_Settings):
    """A whole run: re-running it repeats the run."""

    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()


def load_preset(name: str) -> Config:
    """Return the configuration of a preset.

    Raises:
        ConfigError: If there is no preset of that name.
    """
    if name not in PRESETS:
        raise ConfigError(f"unknown preset {name!r}{_nearest(name, PRESETS)}")
    text = resources.files("pyg_sitenet.presets").joinpath(f"{name}.yaml").read_text()
    return make_config(yaml.safe_load(text), origin=f"preset {name}")


def load_config(path: str | Path) -> Config:
    """Read a YAML configuration; what it does not set keeps its default.

    A key ``preset`` names the preset it starts from.

    Raises:
        ConfigError: If the file is missing, not YAML, or holds an unknown key.
    """
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: cannot be read as YAML: {_line(error)}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected data:, model: and training: sections")
    preset = values.pop("preset", None)
    base = load_preset(str(preset)).model_dump() if preset is not None else {}
    return make_config(_merge(base, values), origin=str(path))


def override(config: Config, settings: Sequence[str]) -> Config:
    """Apply ``section.key=value`` settings (values are YAML) to a configuration.

    Example:
        >>> override(Config(), ["model.heads=4"]).model.heads
        4

    Raises:
        ConfigError: If a setting has no ``=``, names no key or has a wrong value.
    """
    values = config.model_dump()
    for setting in settings:
        key, equals, text = setting.partition("=")
        section, dot, name = key.strip().partition(".")
        if not (equals and dot):
            raise ConfigError(
                "--set expects section.key=value such as model.heads=4, "
                f"got {setting!r}"
            )
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(f"--set {setting}: {_line(error)}") from error
        values = _merge(values, {section: {name: value}})
    return make_config(values, origin="--set")


def make_config(values: Mapping[str, Any], *, origin: str) -> Config:
    """Validate nested settings; errors name the key, the value and the nearest key."""
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{origin}: {_explain(error)}") from error


def dump_config(config: Config) -> str:
    """Return the complete configuration as YAML text."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def _explain(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    *parents, key = [str(part) for part in problem["loc"]] or [""]
    name = ".".join([*parents, key])
    if problem["type"] != "extra_forbidden":
        return f"{name}: {problem['msg']}, got {problem['input']!r}"
    return f"unknown key {name!r}{_nearest(key, _keys_of(parents))}"


def _keys_of(parents: Sequence[str]) -> list[str]:
    settings: Any = Config()
    for parent in parents:
        settings = getattr(settings, parent)
    return list(type(settings).model_fields)


def _nearest(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0)
    return f", did you mean {close[0]!r}? (known: {', '.join(known)})"


def _merge(base: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in new.items():
        old = merged.get(key)
        if key != "units" and isinstance(old, dict) and isinstance(value, dict):
            value = _merge(old, value)
        merged[key] = value
    return merged


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
