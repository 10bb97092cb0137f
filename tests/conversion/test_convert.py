"""Published checkpoints: the reference weights as Lightning would have saved them."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from pyg_sitenet.config import load_preset
from pyg_sitenet.conversion import convert_checkpoint
from pyg_sitenet.conversion.published_settings import translate_settings
from pyg_sitenet.errors import ConfigError, DataError, ModelFileError
from pyg_sitenet.model_file import load_model
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.ready_models import READY_MODELS

WEIGHTS = Path(__file__).parents[1] / "reference" / "state_rand.npz"
SETTINGS = {
    "label": "paper",
    "interaction_feature_size": 2,
    "Interaction_Features": [
        {"kwargs": {"polynomial_degree": 1}, "name": "distance_matrix"},
        {"kwargs": {"log": True, "max_clip": 10}, "name": "non_sine_coulomb_matrix"},
    ],
    "site_feature_size": 8,
    "embedding_size": 92,
    "Site_Features": [
        {
            "Featurizer_KArgs": {
                "properties": [
                    "Number", "AtomicWeight", "Row", "Column",
                    "FirstIonizationEnergy", "Electronegativity", "AtomicRadius",
                    "Density",
                ]
            },
            "name": "SiteElementalProperty",
        }
    ],
    "dynamic_batch": True,
    "Batch_Size": 1200,
    "Learning_Rate": 0.0008,
    "Optimizer": {"Kwargs": {"amsgrad": True, "eps": 1e-7, "weight_decay": 1e-4}},
    "Max_Samples": 1000000000,
    "activation_function": "mish",
    "set_norm": "layer",
    "lin_norm": "layer",
    "site_dim_per_head": 30,
    "attention_dim_interaction": 16,
    "attention_heads": 3,
    "attention_blocks": 2,
    "distance_cutoff": -1,
    "attention_hidden_layers": [225],
    "k_softmax": -1,
    "pre_pool_layers": [94],
    "sym_func": "mean",
    "post_pool_layers": [200, 200, 200],
    "last_af_func": "TReLU",
}  # fmt: skip


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    arrays = np.load(WEIGHTS)
    return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


@pytest.fixture
def checkpoint(tmp_path: Path, state: dict[str, torch.Tensor]) -> Path:
    path = tmp_path / "best.ckpt"
    content = {"epoch": 3, "state_dict": state, "optimizer_states": [{"state": {}}]}
    torch.save(content, path)
    return path


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "PaperParams.yaml"
    path.write_text(yaml.safe_dump(SETTINGS))
    return path


def test_converted_model_computes_what_the_published_weights_do(
    checkpoint: Path, settings: Path, state: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    result = convert_checkpoint(checkpoint, settings, tmp_path / "gap.safetensors")
    model, description = load_model(result.path)
    expected = SiteNet.from_published(state, load_preset("paper").model)
    assert model.config == expected.config
    for name, tensor in expected.state_dict().items():
        assert tensor.equal(model.state_dict()[name]), name
    assert description.targets == ("band_gap",)
    assert description.units == {"band_gap": "eV"}
    assert description.config.data.max_atoms == 500
    assert result.num_parameters == 304_085 - 11_088


def test_model_that_was_trained_is_not_overwritten(
    checkpoint: Path, settings: Path, tmp_path: Path
) -> None:
    output = tmp_path / "gap.safetensors"
    for _ in range(2):
        convert_checkpoint(checkpoint, settings, output)
    trained = READY_MODELS["band-gap"].file.read_bytes()
    output.write_bytes(trained)
    message = r"gap\.safetensors: holds something other than a converted model and"
    with pytest.raises(DataError, match=message):
        convert_checkpoint(checkpoint, settings, output)
    assert output.read_bytes() == trained
    with pytest.raises(DataError, match=r"PaperParams\.yaml: is an input and would be"):
        convert_checkpoint(checkpoint, settings, settings)


def test_what_has_no_use_is_named(
    checkpoint: Path, settings: Path, state: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    torch.save({"state_dict": state | {"teacher.weight": torch.ones(1)}}, checkpoint)
    description = convert_checkpoint(checkpoint, settings, tmp_path / "gap.safetensors")
    assert description.unused_tensors == ["teacher.weight"]
    assert description.unused_settings == ["Max_Samples", "label"]


def test_bare_state_dict_is_read_too(
    settings: Path, state: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    torch.save(state, tmp_path / "weights.pt")
    description = convert_checkpoint(
        tmp_path / "weights.pt", settings, tmp_path / "m.st"
    )
    assert description.path.is_file()


def test_training_settings_and_options_are_translated() -> None:
    chosen = {"k_softmax": 8, "distance_cutoff": 5, "last_af_func": "identity"}
    config, _ = translate_settings(SETTINGS | chosen, origin="x.yaml")
    assert (config.model.top_k, config.model.distance_cutoff) == (8, 5.0)
    assert config.model.output == "identity"
    assert config.training.learning_rate == 0.0008
    assert config.data.max_sites == 1200
    assert config.data.environment == "supercell"
    assert translate_settings(SETTINGS, origin="x")[0].model == load_preset(
        "paper"
    ).model.model_copy(update={"output": "clamp"})


class _Bomb:
    """Unpickling this makes a folder: a test that nothing is executed."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("kind", ["zip", "legacy", "bare pickle"])
def test_hostile_checkpoint_is_refused_and_never_run(
    settings: Path, state: dict[str, torch.Tensor], tmp_path: Path, kind: str
) -> None:
    path, trace = tmp_path / "hostile.ckpt", tmp_path / "trace"
    content = {"state_dict": state, "hyper_parameters": _Bomb(trace)}
    if kind == "bare pickle":
        path.write_bytes(pickle.dumps(_Bomb(trace)))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=kind == "zip")
    what = "Unsupported operand" if kind == "bare pickle" else r"GLOBAL \w+\.mkdir"
    reason = rf"hostile\.ckpt: .*nothing of it was run.*\((unsupported )?{what}"
    with pytest.raises(ModelFileError, match=reason):
        convert_checkpoint(path, settings, tmp_path / "gap.safetensors")
    assert not trace.exists()
    assert not (tmp_path / "gap.safetensors").exists()
    with path.open("rb") as file:  # the file is what it claims to be
        if kind == "bare pickle":
            pickle.load(file)
            assert trace.is_dir()


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04torn"])
def test_damaged_checkpoint_is_named(
    settings: Path, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "torn.ckpt"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"torn\.ckpt: (not a PyTorch|refused)"):
        convert_checkpoint(path, settings, tmp_path / "m")


def test_file_of_another_kind_is_named_without_a_bare_number(
    settings: Path, tmp_path: Path
) -> None:
    path = tmp_path / "other.ckpt"
    path.write_bytes(b"junk\n")
    message = r"other\.ckpt: not a PyTorch checkpoint, or damaged; expected a file that"
    with pytest.raises(ModelFileError, match=message):
        convert_checkpoint(path, settings, tmp_path / "m")


def test_checkpoint_that_unpacks_to_more_than_it_holds_is_refused(
    settings: Path, tmp_path: Path
) -> None:
    torch.save({"state_dict": {"a": torch.zeros(99_999)}}, tmp_path / "plain.ckpt")
    path = tmp_path / "packed.ckpt"
    with (
        zipfile.ZipFile(tmp_path / "plain.ckpt") as plain,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in plain.namelist():
            packed.writestr(name, plain.read(name))
    with pytest.raises(
        ModelFileError, match=r"packed\.ckpt: .*would unpack to 4\d{5} "
    ):
        convert_checkpoint(path, settings, tmp_path / "m")


def test_missing_checkpoint_is_named(settings: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"gone\.ckpt: cannot be read: No such"):
        convert_checkpoint(tmp_path / "gone.ckpt", settings, tmp_path / "m")


def test_checkpoint_without_weights_is_named(settings: Path, tmp_path: Path) -> None:
    torch.save({"epoch": 1}, tmp_path / "empty.ckpt")
    with pytest.raises(ModelFileError, match="holds no weights"):
        convert_checkpoint(tmp_path / "empty.ckpt", settings, tmp_path / "m")


def test_weights_of_other_settings_name_both_files(
    checkpoint: Path, settings: Path, tmp_path: Path
) -> None:
    settings.write_text(yaml.safe_dump(SETTINGS | {"attention_heads": 4}))
    with pytest.raises(ModelFileError, match=r"best\.ckpt with .*PaperParams\.yaml"):
        convert_checkpoint(checkpoint, settings, tmp_path / "m")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"activation_function": "tanh"}, r"x\.yaml: model\.activation"),
        ({"last_af_func": "sine"}, r"x\.yaml: model\.output"),
        ({"lin_norm": "batch"}, r"lin_norm must be 'layer' to be converted"),
        ({"site_feature_size": 22}, r"site_feature_size must be 8 .*got 22"),
        ({"Interaction_Features": [{"name": "ewald"}]}, r"Interaction_Features must"),
        ({"Site_Features": ["oxidation"]}, r"Site_Features must be"),
    ],
)
def test_setting_without_counterpart_is_named(
    change: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        translate_settings(SETTINGS | change, origin="x.yaml")


def test_missing_setting_is_named() -> None:
    left = {key: value for key, value in SETTINGS.items() if key != "attention_heads"}
    with pytest.raises(ConfigError, match=r"x\.yaml: attention_heads missing"):
        translate_settings(left, origin="x.yaml")


@pytest.mark.parametrize("text", ["[1, 2]", "a: [", "!!python/name:os.system"])
def test_settings_that_are_no_mapping_are_named(
    checkpoint: Path, settings: Path, tmp_path: Path, text: str
) -> None:
    settings.write_text(text)
    with pytest.raises(ConfigError, match=r"PaperParams\.yaml: (expected|cannot)"):
        convert_checkpoint(checkpoint, settings, tmp_path / "m")
