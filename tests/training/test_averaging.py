"""Averaged weights: validated, kept and resumed, and no part of the training itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pyg_sitenet.config import Config, override
from pyg_sitenet.model_file import load_model
from pyg_sitenet.training import RunResult, train


@pytest.fixture
def averaging(config: Config) -> Config:
    return override(config, ["training.ema_decay=0.8"])


def _weights(result: RunResult) -> dict[str, torch.Tensor]:
    return dict(load_model(result.folder)[0].state_dict())


def test_averaging_changes_what_is_kept_and_not_the_training(
    run: RunResult, averaging: Config, cache: Path, tmp_path: Path
) -> None:
    averaged = train(averaging, tmp_path, cache=cache)
    plain, other = run.metrics["history"], averaged.metrics["history"]
    for key, equal in (("train/loss", True), ("val/loss", False)):
        assert ([item[key] for item in plain] == [item[key] for item in other]) is equal
    average, last = _weights(averaged), _weights(run)
    assert not torch.equal(
        average["readout.linear.weight"], last["readout.linear.weight"]
    )
    assert torch.equal(average["target_mean"], last["target_mean"])


def test_average_is_the_exponential_one_over_the_steps(
    averaging: Config,
    cache: Path,
    tmp_path: Path,
    watch_steps: Callable[[Callable[[list[torch.Tensor]], None]], None],
) -> None:
    steps: list[list[torch.Tensor]] = []
    watch_steps(
        lambda weights: steps.append([weight.detach().clone() for weight in weights])
    )
    # Without validation the last average is kept; with a norm, a look changes rows.
    settings = ["data.val_fraction=0", "model.embedding_max_norm=null"]
    result = train(override(averaging, settings), tmp_path, cache=cache)
    average = steps[0]
    for weights in steps[1:]:
        pairs = zip(average, weights, strict=True)
        average = [0.8 * old + 0.2 * new for old, new in pairs]
    assert len(steps) > 5
    weights_kept = load_model(result.folder)[0].parameters()
    for outcome, expected in zip(weights_kept, average, strict=True):
        torch.testing.assert_close(outcome.detach(), expected, rtol=1e-5, atol=1e-7)


def test_resumed_average_equals_an_uninterrupted_one(
    averaging: Config, cache: Path, tmp_path: Path
) -> None:
    whole = train(averaging, tmp_path / "whole", cache=cache)
    short = override(averaging, ["training.max_epochs=1"])
    train(short, tmp_path / "parts", cache=cache)
    resumed = train(averaging, tmp_path / "parts", resume=True, cache=cache)
    assert resumed.metrics["history"] == whole.metrics["history"]
    for name, tensor in _weights(whole).items():
        assert torch.equal(tensor, _weights(resumed)[name]), name
