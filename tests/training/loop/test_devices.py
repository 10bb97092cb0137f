"""Several processes: the gradients of the joined batch, one writer, no waiting."""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from ase.build import bulk
from lightning.pytorch import Callback, LightningModule, Trainer
from torch.optim import Optimizer
from torch_geometric.data import Batch, Data
from torch_geometric.loader import DataLoader

from pyg_sitenet.config import (
    Config,
    ModelConfig,
    TrainingConfig,
    dump_config,
    override,
)
from pyg_sitenet.data.graph.encode import encode_structure
from pyg_sitenet.errors import ConfigError, SiteNetError
from pyg_sitenet.model_file import load_model
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.nn.output_layout import OutputLayout
from pyg_sitenet.training import SiteNetModule
from pyg_sitenet.training.loop.devices import Devices
from pyg_sitenet.training.loop.nonfinite import NonFiniteGuard

NAN = float("nan")
SETTINGS = ("training.max_epochs=2", "data.val_fraction=0.3", "data.max_sites=12")
TWO = ("--devices", "2")
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
# What is known differs between the two batches: their means must not count alike. The
# third target is a class, by number.
VALUES = {
    "Si": [1.0, 2.0, 0.0],
    "Cu": [NAN, 3.0, 2.0],
    "Fe": [4.0, NAN, NAN],
    "NaCl": [5.0, 6.0, 1.0],
}
LAYOUT = OutputLayout.make(["gap", "n", "kind"], {"kind": ["a", "b", "c"]})


def _graphs() -> list[Data]:
    graphs = []
    for name, y in VALUES.items():
        atoms = bulk(name, "rocksalt", a=5.64) if name == "NaCl" else bulk(name)
        data = encode_structure(atoms, max_atoms=8)
        data.y, data.id = torch.tensor([y]), name
        graphs.append(data)
    return graphs


def _module() -> SiteNetModule:
    torch.manual_seed(0)
    model = SiteNet(ModelConfig(attention_hidden=(8,), post_pool=(8,)), layout=LAYOUT)
    y = torch.tensor(list(VALUES.values()))
    config = TrainingConfig(standardize_target=True, class_weights="balanced")
    names = [target.name for target in LAYOUT.targets]
    return SiteNetModule(model, config, names, y, steps_per_epoch=1)


class _Keep(Callback):
    """Writes the gradients of a step to a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer
    ) -> None:
        del trainer, optimizer
        grads = {name: p.grad for name, p in pl_module.named_parameters()}
        torch.save(grads, self.path)


def _train(rank: int, port: int, parts: tuple[list[Data], ...], look: Callback) -> None:
    """Take one step as one of two processes, as torchrun would start it."""
    os.environ |= {
        "TORCHELASTIC_RUN_ID": "test", "RANK": str(rank), "LOCAL_RANK": str(rank),
        "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "GROUP_RANK": "0",
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
    }  # fmt: skip
    devices = Devices.choose(None, None, "cpu")
    part = parts[devices.rank]
    trainer = Trainer(
        **devices.trainer_options(),
        max_steps=1,
        callbacks=[look],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    warnings.simplefilter("ignore")
    trainer.fit(_module(), DataLoader(part, batch_size=len(part)))


def _step(rank: int, port: int, path: Path) -> None:
    graphs = _graphs()
    _train(rank, port, (graphs[:3], graphs[3:]), _Keep(path.with_suffix(f".{rank}")))


def _diverge(rank: int, port: int, path: Path) -> None:
    silicon, copper = _graphs()[:2]
    copper.y[0, 1] = float("inf")
    guard = NonFiniteGuard(TrainingConfig())
    try:
        _train(rank, port, ([silicon], [copper]), guard)
    except SiteNetError as error:
        path.with_suffix(f".{rank}").write_text(str(error))


def _free_port() -> int:
    with socket.socket() as result:
        result.bind(("127.0.0.1", 0))
        return int(result.getsockname()[1])


def _run_two(task: Callable[[int, int, Path], None], path: Path) -> None:
    fork, port = multiprocessing.get_context("fork"), _free_port()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of idle threads
        processes = [
            fork.Process(target=task, args=(rank, port, path)) for rank in range(2)
        ]
        for process in processes:
            process.start()
    for process in processes:
        process.join(120)
        assert process.exitcode == 0


def test_two_processes_have_the_gradients_of_the_joined_batch(tmp_path: Path) -> None:
    _run_two(_step, tmp_path / "grads")
    module = _module()
    module.train()
    module.training_step(Batch.from_data_list(_graphs()), 0).backward()
    result = [torch.load(tmp_path / f"grads.{rank}") for rank in range(2)]
    for name, weight in module.named_parameters():
        assert weight.grad is not None, name
        for grads in result:
            torch.testing.assert_close(grads[name], weight.grad, rtol=1e-4, atol=1e-6)
        assert torch.equal(result[0][name], result[1][name])


def test_process_whose_batch_is_fine_does_not_blame_it(tmp_path: Path) -> None:
    _run_two(_diverge, tmp_path / "error")
    fine, bad = ((tmp_path / f"error.{rank}").read_text() for rank in (0, 1))
    own = "(batch with Si in process 1 of 2, or that of another process); lower"
    assert f"a gradient is not finite in epoch 1 {own}" in fine
    assert "the loss became nan in epoch 1 (batch with Cu); lower" in bad


def _start(
    config: Config,
    folder: Path,
    cache: Path,
    *options: str,
    launcher: tuple[str, ...] = (),
) -> subprocess.Popen[str]:
    """Start the command in processes of their own."""
    file = folder.with_suffix(".yaml")
    file.write_text(dump_config(config))
    command = [sys.executable, *launcher, "-m", "pyg_sitenet.cli", "train", "--json"]
    command += ["--config", str(file), "--output", str(folder), *options]
    return subprocess.Popen(
        [*command, "--accelerator", "cpu"],
        env=os.environ | {"PYG_SITENET_CACHE": str(cache)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_two_processes_that_are_stopped_end_as_undisturbed_ones(
    config: Config, cache: Path, tmp_path: Path
) -> None:
    longer = ["training.max_epochs=6", "training.ema_decay=0.8"]
    never = ["training.checkpoint_steps=1000"]  # but because of the signal
    config = override(config, [*SETTINGS, *longer, *never])
    whole, run = tmp_path / "whole", tmp_path / "run"
    undisturbed = _start(config, whole, cache, *TWO)
    _, errors = undisturbed.communicate(timeout=300)
    assert undisturbed.returncode == 0, errors
    process = _start(config, run, cache, *TWO)
    while not (run / "checkpoints" / "last.ckpt").is_file() and process.poll() is None:
        time.sleep(0.001)
    process.terminate()
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "training was stopped by SIGTERM after" in errors
    assert "Traceback" not in errors
    rest = _start(config, run, cache, *TWO, "--resume")
    _, errors = rest.communicate(timeout=300)
    assert rest.returncode == 0, errors
    for name, tensor in load_model(whole)[0].state_dict().items():
        assert torch.equal(tensor, load_model(run)[0].state_dict()[name]), name


@pytest.mark.parametrize(
    ("launcher", "options"),
    [
        ((), TWO),
        pytest.param(TORCHRUN, (), marks=pytest.mark.slow),
    ],
    ids=["devices", "torchrun"],
)
def test_two_processes_leave_one_run_that_validates_every_crystal(
    launcher: tuple[str, ...],
    options: tuple[str, ...],
    config: Config,
    cache: Path,
    tmp_path: Path,
) -> None:
    config = override(config, SETTINGS)
    process = _start(config, tmp_path / "run", cache, *options, launcher=launcher)
    output, errors = process.communicate(timeout=400)
    assert process.returncode == 0, errors
    result = json.loads(output)
    assert result.pop("folder") == str(tmp_path / "run")
    assert result == json.loads((tmp_path / "run" / "metrics.json").read_text())
    # The weights that are kept were validated by both; what they score alone agrees.
    best = result["history"][result["best_epoch"] - 1]["val/mae/band_gap"]
    assert result["targets"]["band_gap"]["val"]["mae"] == pytest.approx(best, rel=1e-5)
    (start,) = json.loads((tmp_path / "run" / "environment.json").read_text())["starts"]
    assert start["devices"] == 2


@pytest.mark.parametrize(
    ("environment", "expected", "rank"),
    [
        ({}, (1, 1), 0),
        ({"TORCHELASTIC_RUN_ID": "a", "RANK": "5", "WORLD_SIZE": "6",
          "LOCAL_WORLD_SIZE": "3", "LOCAL_RANK": "2"}, (3, 2), 5),
        ({"SLURM_NTASKS": "8", "SLURM_NNODES": "2", "SLURM_PROCID": "6",
          "SLURM_JOB_NAME": "train", "SLURM_STEP_ID": "0"}, (4, 2), 6),
    ],
    ids=["alone", "torchrun", "slurm"],
)  # fmt: skip
def test_launcher_says_how_many_devices_there_are(
    environment: dict[str, str],
    expected: tuple[int, int],
    rank: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    devices = Devices.choose(None, None)
    assert (devices.devices, devices.nodes) == expected
    assert devices.rank == rank
    if environment:
        with pytest.raises(
            ConfigError, match=r"the launcher started .* leave --devices"
        ):
            Devices.choose(7, 1)


def test_no_device_is_refused() -> None:
    with pytest.raises(ConfigError, match="must be at least 1, got 0 and 1"):
        Devices.choose(0, 1)
