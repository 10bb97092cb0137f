"""Training on merged graphs is training on all pairs."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from pyg_sitenet.config import Config, override
from pyg_sitenet.data.dataset import CrystalDataset
from pyg_sitenet.training import train
from pyg_sitenet.transforms import MergeEquivalent


def test_merging_leaves_training_as_it_is(
    config: Config, cache: Path, tmp_path: Path
) -> None:
    config = override(config, ["model.dropout=0", "training.learning_rate=0.001"])
    all_pairs = override(config, ["data.merge=false"])
    histories = [
        train(item, tmp_path / str(item.data.merge), cache=cache).metrics["history"]
        for item in (config, all_pairs)
    ]
    losses = [[epoch["train/loss"] for epoch in history] for history in histories]
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_budget_counts_unique_sites_before_merging(config: Config, cache: Path) -> None:
    options = {"source": config.data.source, "max_atoms": 20, "workers": 1}
    full = CrystalDataset(cache, **options)
    merged = CrystalDataset(cache, pre_transform=MergeEquivalent(), **options)
    assert merged.num_sites == full.num_sites
    assert merged[3:7].num_sites == full[3:7].num_sites
    assert sum(merged.num_pairs) < sum(full.num_pairs) / 2


def test_batch_norm_switches_merging_off_with_a_message(
    config: Config, cache: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = override(config, ["model.norm=batch", "training.max_epochs=1"])
    with caplog.at_level(logging.WARNING):
        train(config, tmp_path / "run", cache=cache)
    assert "equal sites and pairs are not merged" in caplog.text
