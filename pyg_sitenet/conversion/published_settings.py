"""The YAML that goes with a published checkpoint, in our terms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pyg_sitenet.brief import brief
from pyg_sitenet.config import Config, load_preset, make_config
from pyg_sitenet.config.yaml_files import read_yaml
from pyg_sitenet.errors import ConfigError


def _positive_or_none(value: Any) -> Any:  # noqa: ANN401 - whatever YAML holds
    """Published settings switch off by a number that is not positive."""
    return value if isinstance(value, (int, float)) and value > 0 else None


def _same(value: Any) -> Any:  # noqa: ANN401
    return value


_OUTPUTS = {"TReLU": "clamp", "identity": "identity", "softplus": "softplus"}

# Published key -> our setting, and how the value translates.
_MODEL: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "attention_heads": ("heads", _same),
    "site_dim_per_head": ("site_channels_per_head", _same),
    "attention_dim_interaction": ("edge_channels_per_head", _same),
    "attention_blocks": ("blocks", _same),
    "attention_hidden_layers": ("attention_hidden", _same),
    "pre_pool_layers": ("pre_pool", _same),
    "post_pool_layers": ("post_pool", _same),
    "embedding_size": ("embedding_channels", _same),
    "activation_function": ("activation", _same),
    "set_norm": ("norm", _same),
    "sym_func": ("pooling", _same),
    "last_af_func": (
        "output",
        lambda name: _OUTPUTS.get(name, name) if isinstance(name, str) else name,
    ),
    "distance_cutoff": ("distance_cutoff", _positive_or_none),
    "k_softmax": ("top_k", _positive_or_none),
}
# Without these nothing says what the network looks like.
_REQUIRED = tuple(_MODEL)[:11]
# Inputs of the network: there is one set of them here.
_FIXED: dict[str, Any] = {"site_feature_size": 8, "interaction_feature_size": 2}
_SITE_PROPERTIES = [
    "Number", "AtomicWeight", "Row", "Column", "FirstIonizationEnergy",
    "Electronegativity", "AtomicRadius", "Density",
]  # fmt: skip
_PAIR_FEATURES = ["distance_matrix", "non_sine_coulomb_matrix"]
_TRAINING = ("Learning_Rate", "Optimizer", "Batch_Size")
_CHECKED = ("lin_norm", "Site_Features", "Interaction_Features")


def read_published_settings(path: str | Path) -> dict[str, Any]:
    """Read the YAML file of a published model.

    Raises:
        ConfigError: If it is missing, no YAML, too large or no mapping.
    """
    values = read_yaml(path)
    if not isinstance(values, dict):
        raise ConfigError(
            f"{path}: expected the settings of a published Site-Net, such as "
            f"attention_heads: 3, got {type(values).__name__}"
        )
    return values


def translate_settings(
    published: Mapping[str, Any], *, origin: str
) -> tuple[Config, list[str]]:
    """Translate published settings; what says nothing about the network is named.

    Args:
        published: Settings under their published names.
        origin: Where they come from, for messages.

    Returns:
        Our configuration (what has no counterpart is that of the ``paper`` preset),
        and the keys that were not used, sorted.

    Raises:
        ConfigError: If a setting is missing, has no counterpart or an impossible value.
    """
    missing = [key for key in _REQUIRED if key not in published]
    if missing:
        raise ConfigError(
            f"{origin}: {', '.join(missing)} missing; expected the YAML that the "
            "checkpoint was trained with"
        )
    _check_inputs(published, origin)
    base = load_preset("paper").model_dump()
    for key, (name, translate) in _MODEL.items():
        if key in published:
            base["model"][name] = translate(published[key])
    base["training"] |= _training(published)
    if published.get("dynamic_batch") and "Batch_Size" in published:
        base["data"]["max_sites"] = published["Batch_Size"]  # counted in unique sites
    used = {*_MODEL, *_FIXED, *_TRAINING, *_CHECKED, "dynamic_batch"}
    unused = sorted(str(key) for key in published if key not in used)
    return make_config(base, origin=origin), unused


def _training(published: Mapping[str, Any]) -> dict[str, Any]:
    optimizer = published.get("Optimizer") or {}
    options = optimizer.get("Kwargs") or {} if isinstance(optimizer, dict) else {}
    names = ("weight_decay", "eps", "amsgrad")
    settings = {name: options[name] for name in names if name in options}
    if "Learning_Rate" in published:
        settings["learning_rate"] = published["Learning_Rate"]
    return settings


def _check_inputs(published: Mapping[str, Any], origin: str) -> None:
    """Refuse networks that see other features than ours."""
    expected = dict(_FIXED)
    expected["lin_norm"] = published["set_norm"]
    values = {key: published.get(key, value) for key, value in expected.items()}
    if "Site_Features" in published:
        expected["Site_Features"] = _SITE_PROPERTIES
        values["Site_Features"] = _site_properties(published["Site_Features"])
    if "Interaction_Features" in published:
        expected["Interaction_Features"] = _PAIR_FEATURES
        values["Interaction_Features"] = _names(published["Interaction_Features"])
    for key, value in expected.items():
        if values[key] != value:
            raise ConfigError(
                f"{origin}: {key} must be {brief(value)} to be converted, got "
                f"{brief(values[key])}"
            )


def _names(features: Any) -> list[Any]:  # noqa: ANN401
    rows = features if isinstance(features, list) else [features]
    return [row.get("name") if isinstance(row, dict) else row for row in rows]


def _site_properties(features: Any) -> list[Any]:  # noqa: ANN401
    rows = features if isinstance(features, list) else [features]
    names: list[Any] = []
    for row in rows:
        options = row.get("Featurizer_KArgs") if isinstance(row, dict) else None
        properties = options.get("properties") if isinstance(options, dict) else None
        names.extend(properties if isinstance(properties, list) else [row])
    return names
