"""How many epochs a network is trained for."""

from __future__ import annotations

import pytest

from pyg_sitenet.config import TrainingConfig
from pyg_sitenet.training.loop.module import with_epochs


@pytest.mark.parametrize(
    ("num_batches", "epochs"), [(10, 120), (500, 30), (10_000, 20), (0, 120)]
)
def test_many_batches_need_fewer_epochs(num_batches: int, epochs: int) -> None:
    config = TrainingConfig(max_epochs=120, max_steps=15_000)
    assert with_epochs(config, num_batches).max_epochs == epochs


def test_without_a_number_of_steps_the_epochs_are_those_asked_for() -> None:
    config = TrainingConfig(max_epochs=7)
    assert with_epochs(config, 10**6) is config
