"""Hostile settings: refused at once, by one short line."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from pyg_sitenet.config import Config, load_config, override
from pyg_sitenet.config.yaml_files import MAX_BYTES, MAX_DEPTH, parse_yaml
from pyg_sitenet.errors import ConfigError

SECONDS = 20
"""A reader that hangs takes hours; a busy machine takes its time, too."""
BOMB = "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n"
    for old, new in zip("abcdefghijk", "bcdefghijkl", strict=True)
)
BOMB = f"a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n{BOMB}"
MERGES = "".join(
    f"{new}: &{new} {{<<: [*{old}, *{old}, *{old}, *{old}], {new}: 1}}\n"
    for old, new in zip("abcdefghijk", "bcdefghijkl", strict=True)
)
MERGES = f"a: &a {{a: 1}}\n{MERGES}"
HOSTILE = {
    "bomb": (BOMB, "holds at most 20,000 values"),
    "bomb in a setting": (
        f"data:\n  targets: {{{BOMB.replace(chr(10), ', ')}}}",
        "holds",
    ),
    "merged keys": (MERGES, "holds at most 20,000 values"),
    "cycle": ("data: &a {units: *a}", "a value must not contain itself"),
    "cyclic list": ("data: &a [*a]", "a value must not contain itself"),
    "lists": ("data: " + "[" * 100_000, "at most 20 deep"),
    "mappings": ("data: " + "{a: " * 50_000, "at most 20 deep"),
    "dashes": ("- " * 100_000, "at most 20 deep"),
    "long": ("#" * (MAX_BYTES + 1), "take at most 262,144 bytes"),
    "many": ("data: [" + "1," * 100_000, "holds at most 20,000 values"),
    "digits": ("data: {max_atoms: " + "9" * 5000 + "}", "at most 100 digits"),
    "sixties": ("data: {max_atoms: 1" + ":1" * 100_000 + "}", "a valid integer"),
    "sixties of floats": ("data: {max_atoms: 1" + ":1" * 100_000 + ".5}", "integer"),
    "sixties by tag": (
        "data: {max_atoms: !!int 1" + ":1" * 100_000 + "}",
        "at most 100 digits",
    ),
    "odd integer": ("data: {max_atoms: !!int many}", "invalid literal"),
    "no integer": ("data: {max_atoms: !!int ''}", "cannot be read as YAML"),
    "odd boolean": ("data: {merge: !!bool perhaps}", "perhaps"),
    "odd float": ("data: {merge: !!float many}", "could not convert"),
    "odd date": ("data: {source: !!timestamp never}", "could not determine a cons"),
    "binary": ("data: {source: !!binary 0}", "could not determine a constructor"),
    "set": ("data: !!set {a}", "could not determine a constructor"),
    "object": ("!!python/object/apply:os.getcwd []", "could not determine a cons"),
    "list as a key": ("? [a]\n: 1", "unhashable key"),
    "anchor": (f"data: *{'a' * 100_000}", "undefined alias"),
    "two documents": ("a: 1\n---\nb: 1", "expected a single document"),
    "control": ("data: {source: '\x1b[31m'}", "characters are not allowed"),
    "preset": ("preset: [paper]", "unknown preset ['paper']"),
    "no key": ("1: 2", "Keys should be strings"),
    "long key": (f"model: {{{'k' * 900}: 1}}", "unknown key 'model.kkk"),
    "label": ("data: {classes: {a: [[x], y]}}", "a label is a text, a number or"),
    "labels": (
        "data: {classes: {a: [" + ",".join(map(str, range(10_001))) + "]}}",
        "at most 10000 items",
    ),
    "name": (f"data: {{targets: [{'t' * 100_000}]}}", "at most 1000 characters"),
}


@pytest.fixture(autouse=True)
def at_once() -> Iterator[None]:
    start = time.monotonic()
    yield
    assert time.monotonic() - start < SECONDS


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_files_are_refused_in_one_short_line(kind: str, tmp_path: Path) -> None:
    text, reason = HOSTILE[kind]
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refusal:
        load_config(path)
    message = str(refusal.value)
    assert reason in message
    assert "config.yaml" in message or kind == "preset"
    assert "\n" not in message
    assert len(message) < 1000


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_overrides_are_refused_in_one_short_line(kind: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        override(Config(), [f"data.workers={HOSTILE[kind][0]}"])
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 1500


def test_texts_that_are_no_utf8_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes(b"data: {source: \xff}")
    with pytest.raises(ConfigError, match=r"config\.yaml: cannot be read as YAML"):
        load_config(tmp_path / "config.yaml")


def test_endless_file_is_refused() -> None:
    with pytest.raises(ConfigError, match="take at most 262,144 bytes"):
        load_config("/dev/zero")


@pytest.mark.parametrize("text", ["2024-13-45", "2024-01-02", "2024-01-02 10:00:00"])
def test_what_looks_like_a_date_is_a_text(text: str) -> None:
    assert override(Config(), [f"data.source={text}"]).data.source == text


@pytest.mark.parametrize("text", ["010", "1_10", "1:30", "0x1F", "1_0.5", "1:30.5"])
def test_numbers_that_nobody_means_are_texts(text: str) -> None:
    assert parse_yaml(text, "x") == text
    assert parse_yaml(yaml.safe_dump(text), "x") == text


@pytest.mark.parametrize(
    ("text", "number"),
    [("10", 10), ("-3", -3), ("+2", 2), ("0", 0), ("1.50", 1.5), (".5", 0.5)],
)
def test_numbers_are_numbers(text: str, number: float) -> None:
    assert parse_yaml(text, "x") == number
    values = [1e-7, 1e30, 0.1, -2.5, 123456789.125, float("inf")]
    assert parse_yaml(yaml.safe_dump(values), "x") == values


def test_key_that_is_there_twice_is_refused() -> None:
    text = "data:\n  targets: [gap]\nmodel: {heads: 2}\ndata:\n  seed: 1\n"
    with pytest.raises(ConfigError, match=r"the key 'data' is there twice.*line 4"):
        parse_yaml(text, "x.yaml")
    with pytest.raises(ConfigError, match="the key 'a' is there twice"):
        parse_yaml("{x: {a: 1, a: 2}}", "x.yaml")


def test_aliases_and_merged_keys_repeat_values() -> None:
    text = "base: &b {heads: 2}\nmodel: {<<: *b, blocks: 1}\nlist: [*b, *b]"
    values = parse_yaml(text, "x.yaml")
    assert values["model"] == {"heads": 2, "blocks": 1}
    assert values["list"] == [{"heads": 2}] * 2


def test_depth_of_settings_is_far_from_the_limit() -> None:
    deep = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert parse_yaml(deep[1:-1], "x") is not None
    with pytest.raises(ConfigError, match=f"at most {MAX_DEPTH} deep"):
        parse_yaml(f"[{deep}]", "x")
