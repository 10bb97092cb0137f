from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from pyg_sitenet.config import Config, ModelConfig
from pyg_sitenet.errors import ModelFileError
from pyg_sitenet.model_file import (
    FORMAT_VERSION,
    ModelDescription,
    load_model,
    read_description,
    save_model,
)
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.version import library_versions

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
    loaded, description_read = load_model(path)
    assert description_read == description
    assert not loaded.training
    assert loaded.state_dict().keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name


def test_run_folder_means_its_model(path: Path, description: ModelDescription) -> None:
    assert read_description(path.parent) == description
    assert load_model(path.parent)[1] == description


def test_writing_leaves_no_other_file(path: Path) -> None:
    assert [file.name for file in path.parent.iterdir()] == ["model.safetensors"]


def test_versions_name_the_libraries() -> None:
    assert library_versions()["torch"] == torch.__version__.split("+")[0] or (
        library_versions()["torch"] == torch.__version__
    )


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"gone\.safetensors: no such file"):
        load_model(tmp_path / "gone.safetensors")


@pytest.mark.parametrize("other", [["band-gap"], None])
def test_what_is_no_path_is_named(other: Any) -> None:
    message = f"the path of one model file or run .*, got {type(other).__name__}$"
    with pytest.raises(TypeError, match=message):
        load_model(other)


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


SECONDS = 20
"""A loader that hangs takes hours; a busy machine takes its time, too."""


@pytest.fixture
def at_once() -> Iterator[None]:
    start = time.monotonic()
    yield
    assert time.monotonic() - start < SECONDS


def _nested(levels: int) -> str:
    return "[" * levels + "]" * levels


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"members": 10**9}, "damaged at members: .*less than or equal to 1000"),
        ({"members": 1000}, "do not fit .*2000 blocks have more tensors"),
        ({"members": 2}, r"do not fit the model .*: members\.0\..* is missing"),
        ({"elements": [0]}, r"damaged at elements\.0: .*greater than or equal to 1"),
        ({"elements": [119]}, r"damaged at elements\.0: .*less than or equal to 118"),
        ({"elements": [10**30]}, r"damaged at elements\.0"),
        ({"elements": "iron"}, "damaged at elements"),
        ({"elements": [26] * 119}, "damaged at elements: .*at most 118 items"),
        ({"targets": []}, "damaged at targets: .*at least 1 item"),
        ({"targets": ["n", "n"]}, "each target must be there once"),
        ({"targets": ["n" * 10**6]}, "damaged at targets.0: .*at most 1000 char"),
        ({"target_ranges": {"n": [2, 1]}}, r"target_ranges\.n: .*must not be above"),
        ({"target_ranges": {"n": [1]}}, r"damaged at target_ranges\.n"),
        ({"metrics": {"targets": []}}, "damaged at metrics"),
        ({"metrics": {"targets": {"n": {"test": 3}}}}, "damaged at metrics"),
        ({"metrics": {"num_crystals": {"train": "all"}}}, "damaged at metrics"),
        ({"versions": {"torch": ["2"]}}, r"damaged at versions\.torch"),
        ({"format_version": 0}, "damaged at format_version"),
        ({"x" * 10**6: 1}, "damaged at x+ .*Extra inputs are not permitted"),
    ],
)
def test_hostile_descriptions_are_refused_at_once(
    path: Path, changes: dict[str, object], message: str
) -> None:
    _rewrite_header(path, **changes)
    with pytest.raises(ModelFileError, match=message) as refusal:
        load_model(path)
    assert len(str(refusal.value)) < 1000


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("blocks", 10**9, r"config\.model\.blocks: .*less than or equal to 1000"),
        ("blocks", 1000, "do not fit .*1000 blocks have more tensors"),
        ("blocks", 3, "do not fit the model .* is missing"),
        ("heads", 10**100, r"config\.model\.heads: .*less than or equal to 1000"),
        ("embedding_channels", 65_536, r"do not fit .* must have shape \[200, 65536\]"),
        ("post_pool", [65_536], "do not fit .* must have shape .*65536"),
        ("attention_hidden", [65_536], "do not fit .* must have shape .*65536"),
    ],
)
def test_hostile_sizes_are_refused_before_they_are_made(
    path: Path, setting: str, value: object, message: str
) -> None:
    config = CONFIG.model_dump(mode="json")
    config["model"][setting] = value
    _rewrite_header(path, config=config)
    with pytest.raises(ModelFileError, match=message):
        load_model(path)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("num_sites", [9, 2], "domain.num_sites must rise from 0 or more"),
        ("volume_per_atom", [-1, 2], "domain.volume_per_atom must rise from 0"),
        ("shortest_distance", [3, 2], "domain.shortest_distance must rise from 0"),
        ("oxidation_states", [3, 2], "domain.oxidation_states must rise"),
    ],
)
def test_reversed_domains_are_refused(
    path: Path, field: str, value: list[int], message: str
) -> None:
    domain = {
        "num_sites": [1, 2], "volume_per_atom": [5, 9], "shortest_distance": [1, 2],
        "oxidation_states": [-2, 2], "always_oxidation_states": False,
    }  # fmt: skip
    _rewrite_header(path, domain=domain)
    assert load_model(path)[1].domain is not None
    _rewrite_header(path, domain=domain | {field: value})
    with pytest.raises(ModelFileError, match=message):
        load_model(path)


@pytest.mark.parametrize(
    ("scores", "floors", "message"),
    [
        ([0.2, 0.1], {"n": 1.0}, "calibration.scores must rise"),
        ([-0.2, 0.1], {"n": 1.0}, "calibration.scores must rise"),
        ([0.1], {"n": 0.0}, "calibration.floors must be above 0"),
        ([0.1], {}, "floors and scores of the same targets"),
        ([[0.1], [0.3, 0.2]], {"n": 1.0}, "calibration.scores must rise"),
        ([[0.1], [0.2]], {"n": 1.0}, "must have a group more than edges"),
    ],
)
def test_odd_calibrations_are_refused(
    path: Path, scores: list[object], floors: dict[str, float], message: str
) -> None:
    good = {"scores": {"n": [0.1, 0.2, float("inf")]}, "floors": {"n": 1.0}}
    _rewrite_header(path, calibration=good)
    assert load_model(path)[1].calibration is not None
    _rewrite_header(path, calibration={"scores": {"n": scores}, "floors": floors})
    with pytest.raises(ModelFileError, match=message):
        load_model(path)


def test_edges_of_groups_must_rise(path: Path) -> None:
    groups = {"scores": {"n": [[0.1], [0.2], [0.3]]}, "floors": {"n": 1.0}}
    _rewrite_header(path, calibration=groups | {"edges": {"n": [1.0, 2.0]}})
    calibration = load_model(path)[1].calibration
    assert calibration is not None
    assert [calibration.half_widths("n", 0.5).of(x) for x in (0, 1, 3)] == [
        0.1,
        0.2,
        0.3,
    ]
    _rewrite_header(path, calibration=groups | {"edges": {"n": [2.0, 2.0]}})
    with pytest.raises(ModelFileError, match=r"calibration\.edges must rise"):
        load_model(path)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (_nested(100_000), "lie too deep"),
        (f'{{"format_version": 1, "metrics": {_nested(30)}}}', "at most 20 deep"),
        (f'{{"format_version": 1{"0" * 5000}}}', "Exceeds the limit"),
        (f'{{"format_version": 1{"0" * 4000}}}', r"format version 10+\.\.\.0+, this"),
    ],
    ids=["deep", "metrics", "number", "version"],
)
def test_deep_or_long_json_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"weight": torch.zeros(2)}, path, metadata={"pyg_sitenet": text})
    with pytest.raises(ModelFileError, match=message):
        load_model(path)


def test_tensors_under_other_names_are_named(path: Path) -> None:
    tensors = load_file(path)
    tensors["other"] = tensors.pop("target_mean")
    text = read_description(path).model_dump_json()
    save_file(tensors, path, metadata={"pyg_sitenet": text})
    with pytest.raises(ModelFileError, match="target_mean is missing"):
        load_model(path)


def test_weights_that_are_no_floats_are_refused(path: Path) -> None:
    tensors = load_file(path)
    tensors["target_mean"] = tensors["target_mean"].long()
    text = read_description(path).model_dump_json()
    save_file(tensors, path, metadata={"pyg_sitenet": text})
    with pytest.raises(ModelFileError, match=r"target_mean must be torch\.float32"):
        load_model(path)


@pytest.mark.skipif(os.name == "nt", reason="rights of Unix")
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_file_has_the_rights_of_any_other(
    path: Path, model: SiteNet, description: ModelDescription, mask: int, mode: int
) -> None:
    path.unlink()
    before = os.umask(mask)
    try:
        save_model(path, model, description)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_file_is_on_the_disk_before_it_has_its_name(
    path: Path,
    model: SiteNet,
    description: ModelDescription,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    size = path.stat().st_size
    path.unlink()
    synced: list[tuple[int, bool]] = []
    fsync = os.fsync

    def record(descriptor: int) -> None:
        fsync(descriptor)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            synced.append((os.fstat(descriptor).st_size, path.exists()))

    monkeypatch.setattr(os, "fsync", record)
    save_model(path, model, description)
    assert synced == [(size, False)]
    assert load_model(path)[1] == description


def test_folder_without_a_model_says_what_to_do(tmp_path: Path) -> None:
    unfinished, folds, other = (tmp_path / name for name in ("run", "folds", "other"))
    for folder in (unfinished, folds / "fold_0", other):
        folder.mkdir(parents=True)
    (unfinished / "config.yaml").touch()
    (folds / "fold_0" / "model.safetensors").touch()
    with pytest.raises(ModelFileError, match=r"continue it with `sitenet train --outp"):
        load_model(unfinished)
    with pytest.raises(ModelFileError, match=r"several runs, give one .*fold_0"):
        load_model(folds)
    with pytest.raises(
        ModelFileError, match=r"holds no model.*expected a model file or"
    ):
        load_model(other)


def test_several_models_are_refused_where_one_is_expected() -> None:
    with pytest.raises(ModelFileError, match="or several models where one is expected"):
        load_model("band-gap,formation-energy")


def test_model_that_may_not_be_read_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"x")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(
        ModelFileError, match="cannot be read: Permission denied; change"
    ):
        load_model(file)
