from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from pyg_sitenet.config import Config, ModelConfig
from pyg_sitenet.errors import ModelFileError
from pyg_sitenet.model_file import (
    FORMAT_VERSION,
    ModelDescription,
    library_versions,
    load_model,
    read_description,
    save_model,
)
from pyg_sitenet.nn import SiteNet

CONFIG = Config(model=ModelConfig(heads=2, attention_hidden=(8,), post_pool=(8,)))


@pytest.fixture
def description() -> ModelDescription:
    return ModelDescription(
        config=CONFIG,
        targets=("band_gap", "n"),
        units={"band_gap": "eV"},
        elements=(8, 22),
        target_ranges={"band_gap": (0.1, 8.0), "n": (1.2, 16.0)},
        versions=library_versions(),
        metrics={"best_epoch": 3, "targets": {"n": {"test": {"mae": None}}}},
    )


@pytest.fixture
def model() -> SiteNet:
    torch.manual_seed(0)
    model = SiteNet(CONFIG.model, num_targets=2)
    model.set_target_scaling(torch.tensor([2.0, 1.0]), torch.tensor([0.5, 3.0]))
    return model


@pytest.fixture
def path(tmp_path: Path, model: SiteNet, description: ModelDescription) -> Path:
    path = tmp_path / "model.safetensors"
    save_model(path, model, description)
    return path


def _rewrite_header(path: Path, **changes: object) -> None:
    values = json.loads(read_description(path).model_dump_json()) | changes
    save_file(load_file(path), path, metadata={"pyg_sitenet": json.dumps(values)})


def test_loading_gives_back_what_was_saved(
    path: Path, model: SiteNet, description: ModelDescription
) -> None:
    loaded, told = load_model(path)
    assert told == description
    assert not loaded.training
    assert loaded.state_dict().keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name


def test_run_folder_means_its_model(path: Path, description: ModelDescription) -> None:
    assert read_description(path.parent) == description
    assert load_model(path.parent)[1] == description


def test_writing_leaves_no_other_file(path: Path) -> None:
    assert [one.name for one in path.parent.iterdir()] == ["model.safetensors"]


def test_versions_name_the_libraries() -> None:
    assert library_versions()["torch"] == torch.__version__.split("+")[0] or (
        library_versions()["torch"] == torch.__version__
    )


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"gone\.safetensors: no such file"):
        load_model(tmp_path / "gone.safetensors")


def test_folder_without_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"holds no model\.safetensors"):
        load_model(tmp_path)


@pytest.mark.parametrize("keep", [9, 200, -1])
def test_truncated_file_is_refused(path: Path, keep: int) -> None:
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ModelFileError, match="damaged or truncated"):
        load_model(path)


@pytest.mark.parametrize("content", [b"", b"x", b"hello, this is a text file"])
def test_other_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"notes\.txt: not a model file"):
        load_model(path)


def test_safetensors_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(2)}, path, metadata={"format": "pt"})
    with pytest.raises(ModelFileError, match="written by another program"):
        load_model(path)


class _Bomb:
    """Unpickling this makes a folder: a test that nothing is unpickled."""

    def __init__(self, target: str) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.target,)


@pytest.mark.parametrize("is_zip", [True, False])
def test_pickle_is_refused_and_never_unpickled(tmp_path: Path, is_zip: bool) -> None:
    path, trace = tmp_path / "model.pt", tmp_path / "trace"
    torch.save(_Bomb(str(trace)), path, _use_new_zipfile_serialization=is_zip)
    with pytest.raises(ModelFileError, match="pickled checkpoint"):
        load_model(path)
    assert not trace.exists()


def test_newer_format_is_refused(path: Path) -> None:
    _rewrite_header(path, format_version=FORMAT_VERSION + 1, novelty=True)
    with pytest.raises(
        ModelFileError, match=rf"format version {FORMAT_VERSION + 1}, .*update"
    ):
        read_description(path)


@pytest.mark.parametrize(
    "text",
    ["no json", "[]", "{}", '{"format_version": "first"}', '{"format_version": 1e999}'],
)
def test_damaged_description_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"weight": torch.zeros(2)}, path, metadata={"pyg_sitenet": text})
    with pytest.raises(ModelFileError, match="description is damaged"):
        read_description(path)


def test_impossible_setting_is_named(path: Path) -> None:
    config = CONFIG.model_dump(mode="json")
    config["model"]["heads"] = 0
    _rewrite_header(path, config=config)
    with pytest.raises(ModelFileError, match=r"damaged at config\.model\.heads"):
        read_description(path)


def test_weights_of_another_size_are_refused(path: Path) -> None:
    _rewrite_header(path, targets=["band_gap"])
    with pytest.raises(ModelFileError, match="do not fit the model"):
        load_model(path)


def test_unwritable_place_is_named(
    tmp_path: Path, model: SiteNet, description: ModelDescription
) -> None:
    with pytest.raises(ModelFileError, match=r"none/model.*cannot be written"):
        save_model(tmp_path / "none" / "model.safetensors", model, description)
