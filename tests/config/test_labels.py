"""Labels in one way of writing."""

from __future__ import annotations

import numpy as np
import pytest

from pyg_sitenet.config import Config, override
from pyg_sitenet.config.labels import as_label
from pyg_sitenet.errors import ConfigError


@pytest.mark.parametrize(
    ("value", "label"),
    [
        ("metal", "metal"),
        (" metal ", "metal"),
        ("Metal", "Metal"),
        (True, "true"),
        (np.bool_(False), "false"),
        ("FALSE", "false"),
        (1, "1"),
        (1.0, "1"),
        ("1.0", "1"),
        ("-2", "-2"),
        ("1_2", "1_2"),
        (0.5, "0.5"),
    ],
)
def test_equal_labels_are_equal_text(value: object, label: str) -> None:
    assert as_label(value) == label


def test_classes_of_settings_are_labels() -> None:
    config = override(Config(), ["data.classes={a: [false, true], b: [0, 1.0, x]}"])
    expected = {"a": ("false", "true"), "b": ("0", "1", "x")}
    assert config.data.classes == expected


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("data.classes={a: [x]}", r"data\.classes\.a: .*needs two of them or more"),
        ("data.classes={a: [x, y, x]}", "the class 'x' is there twice"),
        ("data.split=groups", r"expected random, composition or group:COLUMN"),
        ('data.split="group: "', r"expected random, composition or group:COLUMN"),
    ],
)
def test_impossible_classes_and_splits_are_refused(setting: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        override(Config(), [setting])


def test_column_of_a_split_by_group() -> None:
    assert override(Config(), ["data.split=group:family"]).data.group == "family"
    assert Config().data.group == ""
