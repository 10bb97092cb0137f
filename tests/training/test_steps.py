"""The gradient of a step: no longer than its limit, the mean over its batches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from ase.build import bulk
from torch import Tensor
from torch_geometric.data import Batch, Data
from torch_geometric.loader import DataLoader

from pyg_sitenet.config import Config, ModelConfig, TrainingConfig, override
from pyg_sitenet.data.graph.encode import encode_structure
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.training import SiteNetModule, train
from pyg_sitenet.training.loop.devices import Devices
from pyg_sitenet.training.loop.fit import fit
from pyg_sitenet.training.run.run_folder import RunFolder

WatchSteps = Callable[[Callable[[list[Tensor]], None]], None]
# Steps that move nothing, so that all gradients are of the same weights.
STILL = TrainingConfig(
    max_epochs=1, accumulate=2, learning_rate=1e-30, weight_decay=0, gradient_clip=1e9
)


def _joined(weights: list[Tensor]) -> Tensor:
    return torch.cat(
        [weight.grad.flatten() for weight in weights if weight.grad is not None]
    )


def test_gradient_of_a_step_is_no_longer_than_its_limit(
    config: Config, cache: Path, tmp_path: Path, watch_steps: WatchSteps
) -> None:
    norms: list[float] = []
    watch_steps(lambda weights: norms.append(_joined(weights).norm().item()))
    settings = ["training.gradient_clip=0.1", "training.max_epochs=1"]
    train(override(config, settings), tmp_path, cache=cache)
    assert norms
    assert max(norms) == pytest.approx(0.1, rel=1e-4)  # some were longer


def _graphs(count: int) -> list[Data]:
    graphs = [encode_structure(bulk(x), max_atoms=8) for x in ("Si", "Cu", "Fe", "W")]
    graphs.append(encode_structure(bulk("NaCl", "rocksalt", a=5.64), max_atoms=8))
    for k, data in enumerate(graphs):
        data.y, data.id = torch.tensor([[float(k**2)]]), str(k)
    return graphs[:count]


def _module() -> SiteNetModule:
    torch.manual_seed(0)
    sizes = ModelConfig(attention_hidden=(8,), post_pool=(8,), embedding_max_norm=None)
    y = torch.tensor([[1.0], [2.0]])
    return SiteNetModule(SiteNet(sizes), STILL, ["gap"], y, steps_per_epoch=1)


def _gradient(graphs: list[Data]) -> Tensor:
    module = _module()
    module.training_step(Batch.from_data_list(graphs), 0).backward()
    return _joined(list(module.parameters()))


def _steps(count: int, folder: Path, watch_steps: WatchSteps) -> list[Tensor]:
    """Train on so many crystals, two in a batch and two batches in a step."""
    result: list[Tensor] = []
    watch_steps(lambda weights: result.append(_joined(weights)))
    (folder / "checkpoints").mkdir()
    fit(
        _module(),
        DataLoader(_graphs(count), batch_size=2),
        None,
        RunFolder(folder),
        STILL,
        resume=False,
        progress=False,
        devices=Devices(accelerator="cpu"),
    )
    return result


def test_batches_of_a_step_have_the_gradient_of_the_joined_batch(
    tmp_path: Path, watch_steps: WatchSteps
) -> None:
    graphs = _graphs(5)
    full, rest = _steps(5, tmp_path, watch_steps)
    torch.testing.assert_close(full, _gradient(graphs[:4]), rtol=1e-4, atol=1e-6)
    # The last step of an epoch may lack batches: those it has count as ever.
    torch.testing.assert_close(rest, _gradient(graphs[4:]) / 2, rtol=1e-4, atol=1e-6)


def test_batches_of_a_step_count_alike_whatever_their_size(
    tmp_path: Path, watch_steps: WatchSteps
) -> None:
    graphs = _graphs(3)
    (result,) = _steps(3, tmp_path, watch_steps)
    mean = (_gradient(graphs[:2]) + _gradient(graphs[2:])) / 2
    torch.testing.assert_close(result, mean, rtol=1e-4, atol=1e-6)
    assert not torch.allclose(result, _gradient(graphs), rtol=1e-2)
