from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from lightning.pytorch import Trainer
from torch_geometric.data import Batch

from pyg_sitenet.config import ModelConfig, TrainingConfig
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.training import SiteNetModule
from pyg_sitenet.training.loop.callbacks import (
    EarlyStop,
    History,
    SeedEachStep,
    SyncElementNorms,
)


def _history(*scores: float | None) -> History:
    history = History()
    for number, score in enumerate(scores, 1):
        epoch = {"epoch": float(number), "train/loss": 1.0}
        history.epochs.append(epoch if score is None else epoch | {"val/score": score})
    return history


@pytest.fixture
def trainer() -> Trainer:
    return Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


@pytest.fixture
def module() -> SiteNetModule:
    torch.manual_seed(0)
    sizes = ModelConfig(attention_hidden=(8,), post_pool=(8,), embedding_max_norm=1.0)
    y = torch.tensor([[1.0], [2.0]])
    return SiteNetModule(SiteNet(sizes), TrainingConfig(), ["gap"], y, 1)


def test_best_epoch_has_the_lowest_finite_score() -> None:
    assert _history(0.9, math.nan, 0.4, 0.6, -math.inf).best_epoch == 3


def test_first_of_equal_epochs_is_the_best() -> None:
    assert _history(0.5, 0.4, 0.4).best_epoch == 2


def test_without_validation_no_epoch_is_the_best() -> None:
    assert _history(None, None).best_epoch is None
    assert _history(math.nan).best_epoch is None


def test_history_goes_on_from_its_state() -> None:
    history, other = _history(0.9, 0.4), History()
    other.load_state_dict(history.state_dict())
    other.epochs[0]["epoch"] = 7.0
    assert other.epochs[1] == history.epochs[1]
    assert history.epochs[0]["epoch"] == 1.0  # a copy


@pytest.mark.parametrize(("waited", "ends"), [(1, False), (2, True), (3, True)])
def test_run_that_had_waited_long_enough_ends_when_it_is_resumed(
    trainer: Trainer, module: SiteNetModule, waited: int, ends: bool
) -> None:
    stopped, resumed = EarlyStop(2), EarlyStop(2)
    stopped.wait_count = waited
    resumed.load_state_dict(stopped.state_dict())
    resumed.on_train_start(trainer, module)
    assert trainer.should_stop is ends


def _draws(module: SiteNetModule, seed: int, epoch: int, rank: int) -> list[float]:
    """Draw a number in each of three steps of a process of two."""
    trainer = SimpleNamespace(
        current_epoch=epoch, num_training_batches=3, world_size=2, global_rank=rank
    )
    values = []
    for step in range(3):
        SeedEachStep(seed).on_train_batch_start(
            cast(Any, trainer), module, Batch(), step
        )
        values.append(torch.rand(()).item())
    return values


def test_every_step_of_every_process_has_random_numbers_of_its_own(
    module: SiteNetModule,
) -> None:
    runs = [
        _draws(module, seed, epoch, rank)
        for seed in range(2)
        for epoch in range(2)
        for rank in range(2)
    ]
    assert len({value for values in runs for value in values}) == 24
    assert _draws(module, 1, 0, 1) == runs[5]


def test_all_element_vectors_are_renormalised_not_those_of_a_batch_alone(
    trainer: Trainer, module: SiteNetModule
) -> None:
    weight = module.model.site_embedding.elements.weight
    with torch.no_grad():
        weight *= 100
    SyncElementNorms().on_train_batch_start(trainer, module, Batch(), 0)
    norms = weight.norm(dim=1)
    assert norms.max() <= 1.0 + 1e-5
    assert (norms > 0.99).sum() > 80  # they were shortened, not cleared
