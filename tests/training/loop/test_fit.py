from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest
import torch
from ase.build import bulk
from torch.utils.data import DataLoader as AnyLoader
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader

from pyg_sitenet.config import Config, ModelConfig, TrainingConfig, override
from pyg_sitenet.data.graph.encode import encode_structure
from pyg_sitenet.errors import ConfigError
from pyg_sitenet.model_file import load_model
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.training import SiteNetModule, train
from pyg_sitenet.training.loop.callbacks import History
from pyg_sitenet.training.loop.checkpoint_files import (
    load_checkpoint,
    write_checkpoint,
)
from pyg_sitenet.training.loop.checkpoints import PROCESSES
from pyg_sitenet.training.loop.devices import Devices
from pyg_sitenet.training.loop.fit import device_of, fit
from pyg_sitenet.training.loop.global_state import repeatable
from pyg_sitenet.training.run.run_folder import RunFolder

CONFIG = TrainingConfig(max_epochs=2, learning_rate=0.01, standardize_target=True)


def _loader() -> AnyLoader[Data]:
    graphs = [encode_structure(bulk(x), max_atoms=8) for x in ("Si", "Cu", "Fe")]
    for number, data in enumerate(graphs):
        data.y, data.id = torch.tensor([[float(number)]]), str(number)
    loader: AnyLoader[Data] = DataLoader(graphs, batch_size=2)
    return loader


def _module() -> SiteNetModule:
    torch.manual_seed(0)
    sizes = ModelConfig(attention_hidden=(8,), post_pool=(8,), dropout=0.2)
    y = torch.tensor([[0.0], [1.0], [2.0]])
    return SiteNetModule(SiteNet(sizes), CONFIG, ["gap"], y, steps_per_epoch=2)


def _fit(path: Path, module: SiteNetModule, *, resume: bool = False) -> History:
    folder = RunFolder(path)
    folder.checkpoints.mkdir(parents=True, exist_ok=True)
    return fit(
        module,
        _loader(),
        None,
        folder,
        CONFIG,
        resume=resume,
        progress=False,
        devices=Devices(accelerator="cpu"),
    )


def test_every_epoch_is_recorded_and_the_last_state_is_kept(tmp_path: Path) -> None:
    module = _module()
    history = _fit(tmp_path, module)
    assert [epoch["epoch"] for epoch in history.epochs] == [1, 2]
    assert all(epoch["train/mae/gap"] > 0 for epoch in history.epochs)
    state = load_checkpoint(RunFolder(tmp_path).last)["state_dict"]
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, state[name]), name


def test_same_seed_gives_the_same_weights_whatever_was_drawn_before(
    tmp_path: Path,
) -> None:
    first, second = _module(), _module()
    _fit(tmp_path / "first", first)
    torch.rand(17)
    _fit(tmp_path / "second", second)
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name]), name


def test_run_of_more_processes_is_not_continued_by_one(tmp_path: Path) -> None:
    _fit(tmp_path, _module())
    last = RunFolder(tmp_path).last
    write_checkpoint(last, load_checkpoint(last) | {PROCESSES: 2})
    with pytest.raises(ConfigError, match=r"has 2 processes .*, not 1, .*--devices"):
        _fit(tmp_path, _module(), resume=True)


def test_settings_of_the_process_are_restored(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        before = list(warnings.filters)
        _fit(tmp_path, _module())
        assert warnings.filters == before
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize("is_asked", [True, False])
def test_sums_in_a_fixed_order_on_a_gpu_only_if_asked_for(
    is_asked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "CUBLAS_WORKSPACE_CONFIG"
    monkeypatch.delenv(name, raising=False)
    with repeatable(torch.device("cuda"), on_gpu=is_asked):
        assert torch.are_deterministic_algorithms_enabled() is is_asked
        assert (os.environ.get(name) == ":4096:8") is is_asked
    assert not torch.are_deterministic_algorithms_enabled()
    assert name not in os.environ
    monkeypatch.setenv(name, ":16:8")
    with repeatable(torch.device("cuda"), on_gpu=True):
        assert os.environ[name] == ":16:8"


@pytest.mark.slow
def test_compiled_training_is_the_same_training(
    config: Config, cache: Path, tmp_path: Path
) -> None:
    settings = ["model.dropout=0", "training.ema_decay=0.8", "training.max_epochs=2"]
    plain = train(override(config, settings), tmp_path / "plain", cache=cache)
    settings += ["training.compile=true"]
    folder = tmp_path / "compiled"
    short = [*settings, "training.max_epochs=1"]
    train(override(config, short), folder, cache=cache)
    compiled = train(override(config, settings), folder, cache=cache, resume=True)
    expected = load_model(plain.folder)[0].state_dict()
    weights = load_model(compiled.folder)[0].state_dict()
    assert weights.keys() == expected.keys()
    for name, weight in weights.items():
        torch.testing.assert_close(weight, expected[name], rtol=1e-3, atol=1e-4)
    assert not torch.equal(
        weights["readout.linear.weight"], expected["readout.linear.weight"]
    )  # it was compiled


def test_accelerator_that_is_none_is_named() -> None:
    with pytest.raises(
        ConfigError, match=r"cannot train on 1 devices of 'abacus': .*; ask for another"
    ):
        device_of(Devices(accelerator="abacus"))
