"""Settings: presets, YAML files and overrides, and what is said about wrong ones."""

import pytest
import yaml

from pyg_sitenet.config import (
    Config,
    dump_config,
    load_config,
    load_preset,
    override,
)
from pyg_sitenet.errors import ConfigError


@pytest.mark.parametrize("preset", ["paper", "default"])
def test_a_dumped_configuration_is_complete_and_reads_back(preset, tmp_path):
    config = load_preset(preset)
    (tmp_path / "config.yaml").write_text(dump_config(config))
    assert load_config(tmp_path / "config.yaml") == config
    sections = yaml.safe_load(dump_config(config))
    assert set(sections["model"]) == set(type(config.model).model_fields)


def test_paper_preset_is_as_published():
    config = load_preset("paper")
    assert (config.model.heads, config.model.blocks, config.data.max_atoms) == (
        3,
        2,
        500,
    )
    assert config.data.environment == "supercell"
    assert config.model.attention_hidden == (225,)
    assert config.model.pre_pool == (94,)
    assert config.model.post_pool == (200, 200, 200)
    assert config.training.learning_rate == 8.126e-4
    assert config.training.amsgrad
    assert config.model.dropout == 0


def test_a_file_can_start_from_a_preset(tmp_path):
    (tmp_path / "mine.yaml").write_text("preset: paper\nmodel: {heads: 5}\n")
    config = load_config(tmp_path / "mine.yaml")
    assert config.model.heads == 5
    assert config.data.max_atoms == 500


def test_overrides_are_typed():
    config = override(
        Config(), ["model.heads=4", "data.targets=[a, b]", "training.weight_decay=1e-3"]
    )
    assert config.model.heads == 4
    assert config.data.targets == ("a", "b")
    assert config.training.weight_decay == 1e-3


def test_configurations_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        Config().model.heads = 4


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("model.haeds=3", r"unknown key 'model.haeds', did you mean 'heads'\?"),
        ("modle.heads=3", r"unknown key 'modle', did you mean 'model'\?"),
        ("model.heads=0", "model.heads: .*greater than or equal to 1, got 0"),
        ("model.heads=many", "model.heads: .*integer.*got 'many'"),
        ("training.learning_rate=.inf", "training.learning_rate: .*finite"),
        ("heads=3", "--set expects section.key=value.*got 'heads=3'"),
        ("model.heads", "--set expects section.key=value"),
        ("model.heads=[", r"--set model.heads=\[: "),
        ("data.targets=[]", "data.targets: .*at least 1 item"),
        ("data.targets=gap", r"data.targets: expected a list such as \[a, b\], got 'g"),
        ("data.units=eV", r"data.units: expected names with values such as \{a: b\}"),
        ("training.seed=1:30", "training.seed: .*integer.*got '1:30'"),
    ],
)
def test_wrong_settings_are_named(setting, message):
    with pytest.raises(ConfigError, match=message):
        override(Config(), [setting])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model: {haeds: 3}", r"mine.yaml: unknown key 'model.haeds', did you mean"),
        ("[1, 2]", "mine.yaml: expected data:, model: and training: sections"),
        ("model: [", "mine.yaml: cannot be read as YAML"),
        ("model: {heads: 3}\nmodel: {blocks: 1}", "the key 'model' is there twice"),
        ("preset: papers", "unknown preset 'papers', did you mean 'paper'"),
        ("!!python/object/apply:os.getcwd []", "mine.yaml: cannot be read as YAML"),
    ],
)
def test_wrong_files_are_named(text, message, tmp_path):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_config(tmp_path / "mine.yaml")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none.yaml: cannot be read"):
        load_config(tmp_path / "none.yaml")
