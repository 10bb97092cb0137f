"""How long a training takes is said once it can be known."""

from __future__ import annotations

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from pyg_sitenet.training.loop.duration import Duration, duration_text
from pyg_sitenet.training.loop.global_state import quiet


class _Line(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Linear(1, 1)

    def training_step(self, batch: list[Tensor]) -> Tensor:
        loss: Tensor = self.map(batch[0]).square().mean()
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (99, "99 s"), (150, "2 minutes"), (7200, "2.0 hours")],
)
def test_durations_are_said_in_their_own_unit(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
def test_a_run_says_once_what_it_will_take(caplog: pytest.LogCaptureFixture) -> None:
    trainer = Trainer(
        max_epochs=3, callbacks=[Duration()], logger=False, accelerator="cpu",
        enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False,
    )  # fmt: skip
    batches = DataLoader(TensorDataset(torch.ones(15, 1)))
    with quiet():
        trainer.fit(_Line(), batches)
    [text] = [r.getMessage() for r in caplog.records if r.name.startswith("pyg_site")]
    assert text == "2 epochs of 15 batches: about 1 s"
