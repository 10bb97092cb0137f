from __future__ import annotations

import math

import pytest
import torch
from ase.build import bulk
from torch import Tensor
from torch_geometric.data import Batch

from pyg_sitenet.config import ModelConfig, TrainingConfig
from pyg_sitenet.data.graph.encode import encode_structure
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.training.loop.module import SiteNetModule, with_epochs
from pyg_sitenet.transforms import MergeEquivalent

TARGETS = torch.tensor([[1.0, 10.0], [3.0, 50.0]])


@pytest.fixture
def batch() -> Batch:
    graphs = [encode_structure(bulk(name), max_atoms=8) for name in ("Si", "Cu")]
    for data, y, name in zip(graphs, TARGETS, ("Si", "Cu"), strict=True):
        data.y, data.id = y[None], name
    return Batch.from_data_list(graphs)


def _module(**settings: object) -> SiteNetModule:
    torch.manual_seed(0)
    model = SiteNet(ModelConfig(attention_hidden=(8,), post_pool=(8,)), num_targets=2)
    config = TrainingConfig.model_validate(settings)
    return SiteNetModule(model, config, ("gap", "n"), TARGETS, steps_per_epoch=10)


def test_standardised_model_answers_in_target_units(batch: Batch) -> None:
    plain, scaled = _module(), _module(standardize_target=True)
    raw = plain(batch)
    expected = raw * torch.tensor([1.0, 20.0]) + torch.tensor([2.0, 30.0])
    torch.testing.assert_close(scaled(batch), expected)


def _rates(module: SiteNetModule, steps: int) -> list[float]:
    configured = module.configure_optimizers()
    optimizer = configured["optimizer"]
    scheduler = configured["lr_scheduler"]["scheduler"]  # type: ignore[index, typeddict-item]
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def test_cosine_warms_up_and_ends_at_zero() -> None:
    module = _module(
        learning_rate=0.1, schedule="cosine", warmup_epochs=1, max_epochs=3
    )
    rates = _rates(module, 31)
    assert rates[:10] == pytest.approx([0.01 * k for k in range(1, 11)])
    assert rates[20] == pytest.approx(0.1 * 0.5 * (1 + math.cos(math.pi / 2)))
    assert rates[30] == pytest.approx(0.0)
    assert max(rates) == pytest.approx(0.1)


def test_constant_rate_stays() -> None:
    assert _rates(_module(learning_rate=0.1), 5) == [0.1] * 5


def test_warmup_longer_than_training_is_no_error() -> None:
    module = _module(schedule="cosine", warmup_epochs=5, max_epochs=2)
    assert all(math.isfinite(rate) for rate in _rates(module, 60))


def test_optimiser_has_the_settings_of_the_configuration() -> None:
    module = _module(weight_decay=0.3, eps=1e-5, amsgrad=False)
    group = module.configure_optimizers()["optimizer"].param_groups[0]
    assert (group["weight_decay"], group["eps"], group["amsgrad"]) == (0.3, 1e-5, False)
    assert len(group["params"]) == len(list(module.model.parameters()))


def test_one_cycle_rises_and_falls_to_zero() -> None:
    module = _module(learning_rate=0.1, schedule="one_cycle", max_epochs=10)
    rates = _rates(module, 101)
    assert rates[0] == pytest.approx(0.1 / 25)
    assert rates[15] == pytest.approx((0.1 + 0.1 / 25) / 2)
    assert rates[30] == pytest.approx(0.1) == pytest.approx(max(rates))
    assert rates[65] == pytest.approx(0.05)
    assert rates[100] == pytest.approx(0.0)


def _gradient(module: SiteNetModule, batch: Batch) -> Tensor:
    module.zero_grad()
    module.training_step(batch, 0).backward()
    grads = [p.grad for p in module.parameters() if p.grad is not None]
    return torch.cat([grad.flatten() for grad in grads])


@pytest.mark.parametrize("merge", [False, True])
def test_shorter_numbers_give_the_same_gradient_but_for_rounding(merge: bool) -> None:
    names = ("Si", "Cu", "Fe", "Mg", "Ti", "Ge", "W", "C")
    graphs = [encode_structure(bulk(name), max_atoms=8) for name in names]
    for k, data in enumerate(graphs):
        data.y = torch.tensor([[float(k), 10.0 * k]])
    if merge:
        graphs = [MergeEquivalent()(data) for data in graphs]
    batch = Batch.from_data_list(graphs)
    module = _module(standardize_target=True, loss="mse")
    exact = _gradient(module, batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        short = _gradient(module, batch)
    assert 0 < (short - exact).norm() <= 0.03 * exact.norm()


def test_frozen_encoder_leaves_the_layers_after_pooling_to_train() -> None:
    module = _module(freeze_encoder=True, initial_model="some.safetensors")
    optimizer = module.configure_optimizers()["optimizer"]
    trained = {id(weight) for weight in optimizer.param_groups[0]["params"]}
    names = [name for name, item in module.named_parameters() if id(item) in trained]
    assert names
    assert all(name.startswith("model.readout.") for name in names)
    assert not any("pre_pool" in name for name in names)


@pytest.mark.parametrize(
    ("num_batches", "epochs"), [(10, 120), (250, 60), (500, 36), (10_000, 36), (0, 120)]
)
def test_many_batches_need_fewer_epochs(num_batches: int, epochs: int) -> None:
    config = TrainingConfig(max_epochs=120, max_steps=15_000)
    assert with_epochs(config, num_batches).max_epochs == epochs


def test_without_a_number_of_steps_the_epochs_are_those_asked_for() -> None:
    config = TrainingConfig(max_epochs=7)
    assert with_epochs(config, 10**6) is config
