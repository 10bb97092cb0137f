"""Every number in the settings has an upper limit."""

from __future__ import annotations

import typing

import pytest

from pyg_sitenet.config import Config, load_preset, make_config, override
from pyg_sitenet.errors import ConfigError


def _integers() -> list[str]:
    """Return the settings that are whole numbers, or lists of them."""
    names = []
    for section, model in Config.model_fields.items():
        for name, field in model.annotation.model_fields.items():  # type: ignore[union-attr]
            kinds = [field.annotation, *typing.get_args(field.annotation)]
            kinds += [k for kind in kinds for k in typing.get_args(kind)]
            if int in kinds:
                names.append(f"{section}.{name}")
    return names


def test_all_sizes_are_looked_at() -> None:
    assert len(_integers()) >= 25
    assert {"model.heads", "model.post_pool", "data.folds"} <= set(_integers())


@pytest.mark.parametrize("name", _integers())
@pytest.mark.parametrize("value", ["9" * 100, "1" + "0" * 15])
def test_sizes_have_upper_limits(name: str, value: str) -> None:
    is_list = name.endswith(("hidden", "pool"))
    with pytest.raises(ConfigError, match="less than or equal to"):
        override(Config(), [f"{name}=[{value}]" if is_list else f"{name}={value}"])


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("model.post_pool=[" + "8," * 101 + "]", "at most 100 items"),
        ("data.targets=[" + "a," * 1001 + "]", "at most 1000 items"),
        ("data.time_limit=1e300", "less than or equal to 10000000"),
        ("training.checkpoint_minutes=1e300", "less than or equal to 1000000"),
        ("data.primitive_tolerance=1e300", "less than or equal to 10"),
    ],
)
def test_other_limits(setting: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        override(Config(), [setting])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            ["model.heads=1000", "model.site_channels_per_head=100"],
            "heads times channels per head must be at most 65,536",
        ),
        (
            ["training.seed=1000000000000", "training.members=1000"],
            "seed times members must be at most 10,000,000,000,000",
        ),
    ],
)
def test_products_are_limited(settings: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        override(Config(), settings)


def test_ranges_of_heads_need_the_residual_form() -> None:
    with pytest.raises(ConfigError, match="locality needs form=residual"):
        override(Config(), ["model.locality=[1, 2]"])


@pytest.mark.parametrize(
    "value", [10**400, float("nan"), 10**10_000], ids=["400", "nan", "10000"]
)
def test_numbers_that_are_no_floats_are_refused(value: float) -> None:
    with pytest.raises(ConfigError, match=r"training\.weight_decay"):
        make_config({"training": {"weight_decay": value}}, origin="x")


def test_presets_are_within_the_limits() -> None:
    assert load_preset("paper").model.heads == 3


def test_former_settings_that_were_off_are_left_out() -> None:
    config = make_config({"model": {"attention_decay": None, "heads": 2}}, origin="x")
    assert config.model.heads == 2
    with pytest.raises(ConfigError, match=r"model\.attention_decay"):
        make_config({"model": {"attention_decay": 2.0}}, origin="x")
