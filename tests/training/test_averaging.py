"""Averaged weights: validated, kept and resumed, and no part of the training itself."""

from __future__ import annotations

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
        assert ([one[key] for one in plain] == [one[key] for one in other]) is equal
    kept, last = _weights(averaged), _weights(run)
    assert not torch.equal(kept["readout.linear.weight"], last["readout.linear.weight"])
    assert torch.equal(kept["target_mean"], last["target_mean"])


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
