import inspect
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from pyg_sitenet.config import ModelConfig
from pyg_sitenet.errors import ModelFileError, SiteNetError
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.nn.output_layout import OutputLayout

SMALL = ModelConfig(heads=2, attention_hidden=(8,), pre_pool=(8,), post_pool=(8,))


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = SiteNet(SMALL, num_targets=2)
    model.set_target_scaling(torch.tensor([2.0, 1.0]), torch.tensor([0.5, 3.0]))
    return model


@pytest.fixture
def folder(model, tmp_path):
    return model.save_pretrained(tmp_path / "saved")


def _assert_equal(model, other):
    assert model.config == other.config
    for name, tensor in other.state_dict().items():
        assert tensor.equal(model.state_dict()[name]), name


def test_loading_gives_back_what_was_saved(model, folder):
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json",
        "model.safetensors",
    ]
    loaded = SiteNet.from_pretrained(folder)
    _assert_equal(loaded, model)
    assert not loaded.training


def test_config_is_readable(folder):
    values = json.loads((folder / "config.json").read_text())
    assert len(values["outputs"]) == 2
    assert values["config"]["heads"] == 2


def test_what_the_outputs_mean_is_kept(tmp_path):
    layout = OutputLayout.make(
        ["gap", "n", "metal"], {"metal": ("no", "yes")}, {"n": "log"}
    )
    model = SiteNet(SMALL, layout=layout)
    model.save_pretrained(tmp_path)
    assert SiteNet.from_pretrained(tmp_path).layout == layout


def test_missing_weights_are_named(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelFileError, match=r"saved: cannot be read.*model\.safe"):
        SiteNet.from_pretrained(folder)


def test_what_load_predictor_loads_is_left_to_it(folder, monkeypatch):
    (folder / "config.json").unlink()
    monkeypatch.chdir(folder.parent)
    for source, what in (
        ("saved", "a folder without config.json"),
        ("saved/model.safetensors", "a file"),
        ("band-gap", "no such folder, and no name like owner/name"),
    ):
        remedy = rf"load_predictor\('{source}'\)\.model$"
        with pytest.raises(ModelFileError, match=f"^{source}: {what}; .*{remedy}"):
            SiteNet.from_pretrained(source)


@pytest.mark.parametrize("text", ["no json", "{}", '{"config": {"heads": 0}}', "[]"])
def test_damaged_config_is_named(folder, text):
    (folder / "config.json").write_text(text)
    with pytest.raises(ModelFileError, match=r"config\.json: not the description"):
        SiteNet.from_pretrained(folder)


def test_weights_of_another_size_are_named(folder):
    values = json.loads((folder / "config.json").read_text())
    values["config"]["heads"] = 3
    (folder / "config.json").write_text(json.dumps(values))
    with pytest.raises(ModelFileError, match=r"model\.safetensors: damaged, or does"):
        SiteNet.from_pretrained(folder)


def test_unwritable_folder_is_named(model, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelFileError, match=r"file: cannot be written"):
        model.save_pretrained(tmp_path / "file")


def test_no_pickle_is_read_in_place_of_the_weights(model, folder):
    (folder / "model.safetensors").unlink()
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(ModelFileError, match=r"saved: cannot be read.*model\.safe"):
        SiteNet.from_pretrained(folder)


def test_functions_of_the_hub_take_what_they_are_given():
    hub = pytest.importorskip("huggingface_hub", reason="an extra")
    signature = inspect.signature
    signature(hub.HfApi).bind(token=None)
    signature(hub.HfApi.create_repo).bind(None, "a/b", private=True, exist_ok=True)
    signature(hub.HfApi.upload_folder).bind(
        None, repo_id="a/b", folder_path=".", commit_message="First"
    )
    signature(hub.snapshot_download).bind("a/b", allow_patterns=[], revision="v1")


def test_without_the_hub_package_the_remedy_is_named(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(SiteNetError, match=r"pip install .pyg-sitenet\[hub\]"):
        model.push_to_hub("me/gap")
    with pytest.raises(SiteNetError, match=r"me/gap: no such folder.*pip install"):
        SiteNet.from_pretrained("me/gap")


def test_what_is_pushed_to_the_hub_comes_back(model, monkeypatch, tmp_path):
    """Against a Hub that is a folder."""
    requests = {}

    class Api:
        def __init__(self, token):
            requests["token"] = token

        def create_repo(self, repo_id, *, private, exist_ok):
            requests.update(repo=repo_id, private=private, exist_ok=exist_ok)

        def upload_folder(self, *, repo_id, folder_path, commit_message):
            assert commit_message == "First"
            Path(folder_path).rename(tmp_path / "hub")
            Path(folder_path).mkdir()
            return f"https://hub/{repo_id}/commit/1"

    def snapshot_download(repo, allow_patterns, revision):
        assert (repo, revision) == ("me/gap", "v1")
        assert allow_patterns == ["config.json", "model.safetensors"]
        return str(tmp_path / "hub")

    hub = SimpleNamespace(HfApi=Api, snapshot_download=snapshot_download)
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    address = model.push_to_hub("me/gap", commit_message="First", private=True)
    assert address == "https://hub/me/gap/commit/1"
    assert requests == {
        "token": None,
        "repo": "me/gap",
        "private": True,
        "exist_ok": True,
    }
    _assert_equal(SiteNet.from_pretrained("me/gap", revision="v1"), model)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"blocks": 10**9}, "less than or equal to 1000"),
        ({"blocks": 1000}, "1000 blocks have more tensors than"),
        ({"embedding_channels": 65_536}, r"must have shape \[200, 65536\]"),
        ({"post_pool": [65_536] * 100}, "is missing|must have shape"),
    ],
)
def test_hostile_sizes_are_refused_before_they_are_made(folder, changes, message):
    values = json.loads((folder / "config.json").read_text())
    values["config"] |= changes
    (folder / "config.json").write_text(json.dumps(values))
    with pytest.raises(ModelFileError, match=message):
        SiteNet.from_pretrained(folder)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 10**5 + "]" * 10**5,
        "[]",
        "{}",
        "1" + "0" * 5000,
        " " * 2**20 + "{}",
        "\xff",
    ],
    ids=["deep", "list", "empty", "number", "long", "no UTF-8"],
)
def test_hostile_descriptions_are_refused(folder, text):
    (folder / "config.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ModelFileError, match=r"config\.json: not the description"):
        SiteNet.from_pretrained(folder)
