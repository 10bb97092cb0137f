"""Runs Lightning: quietly, repeatably, and so that it can be stopped and resumed."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar, RichProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch.utils.data import DataLoader

from pyg_sitenet.config import TrainingConfig
from pyg_sitenet.errors import ConfigError
from pyg_sitenet.safe_text import terminal_text
from pyg_sitenet.training.loop.callbacks import (
    Averaging,
    EarlyStop,
    History,
    SeedEachStep,
    SyncElementNorms,
    Watch,
)
from pyg_sitenet.training.loop.checkpoint_files import check_done, last_good
from pyg_sitenet.training.loop.checkpoints import PROCESSES, Checkpoints
from pyg_sitenet.training.loop.devices import Devices
from pyg_sitenet.training.loop.duration import Duration
from pyg_sitenet.training.loop.global_state import console_kept, quiet, repeatable
from pyg_sitenet.training.loop.interruption import (
    Interruption,
    TrainingInterruptedError,
)
from pyg_sitenet.training.loop.module import SiteNetModule
from pyg_sitenet.training.loop.nonfinite import NonFiniteGuard
from pyg_sitenet.training.run.run_folder import RunFolder, reporting_write_errors

if TYPE_CHECKING:
    from pyg_sitenet.data.batches.sampler import BudgetBatchSampler

__all__ = ["TrainingInterruptedError", "fit"]

_logger = logging.getLogger(__name__)

_PRECISION: dict[str, Literal["32-true", "bf16-mixed", "16-mixed"]] = {
    "float32": "32-true",
    "bfloat16": "bf16-mixed",
    "float16": "16-mixed",
}

_FULL = (errno.ENOSPC, errno.EDQUOT)  # what writing TensorBoard's events may meet


def fit(
    module: SiteNetModule,
    train_loader: DataLoader[Any],
    val_loader: DataLoader[Any] | None,
    folder: RunFolder,
    config: TrainingConfig,
    *,
    resume: bool,
    progress: bool,
    devices: Devices,
    watch: Watch | None = None,
) -> History:
    """Train until ``max_epochs``, from the last checkpoint if there is one to resume.

    Returns:
        The errors of every epoch.

    Raises:
        TrainingInterruptedError: If stopped by Ctrl-C or SIGTERM.
        ConfigError: If the run was begun by another number of processes.
        SiteNetError: If the loss is not finite, or if a checkpoint is damaged or cannot
            be written.
    """
    history, interruption = History(watch), Interruption()
    checkpoint = last_good(folder) if resume else None
    if checkpoint is not None:
        _check_processes(checkpoint[1], devices.num_processes)
        check_done(folder, checkpoint[1], config.max_epochs)
        _set_position(train_loader, checkpoint[1])
    elif resume and devices.rank == 0:
        _logger.warning("%s: no checkpoint, trained from the start", folder.path)
    with (
        quiet(),
        console_kept(),
        reporting_write_errors(folder, _FULL),
        _interrupts(folder, history, interruption),
    ):
        callbacks = _make_callbacks(history, interruption, folder, config, progress)
        if devices.num_processes > 1:
            callbacks.append(SyncElementNorms())
        settings = {"training": config.model_dump(mode="json")}
        settings["model"] = module.model.config.model_dump(mode="json")
        trainer = _make_trainer(folder.path, config, callbacks, devices, settings)
        device = trainer.strategy.root_device
        with repeatable(device, on_gpu=config.deterministic):
            trainer.fit(
                module,
                train_loader,
                val_loader,
                ckpt_path=None if checkpoint is None else checkpoint[0],
            )
    module.to(device)
    return history


def device_of(devices: Devices) -> torch.device:
    """Return the device that :func:`fit` computes on.

    Raises:
        ConfigError: If the accelerator is unknown or this machine lacks it or as many.
    """
    try:
        with quiet():
            trainer = Trainer(
                **devices.trainer_options(),
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
            )
    except (ValueError, ImportError, MisconfigurationException) as error:
        reason = " ".join(str(error).split()).rstrip(".!")
        raise ConfigError(
            f"cannot train on {devices.devices} devices of {devices.accelerator!r}: "
            f"{reason}; ask for another accelerator or number of devices"
        ) from error
    return trainer.strategy.root_device


def _make_callbacks(
    history: History,
    interruption: Interruption,
    folder: RunFolder,
    config: TrainingConfig,
    progress: bool,
) -> list[Callback]:
    callbacks: list[Callback] = [history, SeedEachStep(config.seed)]
    callbacks += [NonFiniteGuard(config), interruption]
    if config.early_stopping is not None:
        callbacks.append(EarlyStop(config.early_stopping))
    if progress:
        bar = _Bar(refresh_rate=10, console_kwargs={"stderr": True})
        callbacks += [bar, Duration()]
    if config.ema_decay > 0:
        callbacks.append(Averaging(config.ema_decay))
    return [*callbacks, Checkpoints(folder, history, interruption, config)]


class _Bar(RichProgressBar):
    """Counts epochs from 1, and shows targets, whose names may be anybody's, safely."""

    def _get_train_description(self, current_epoch: int) -> str:
        return f"Epoch {current_epoch + 1}/{self.trainer.max_epochs}"

    def get_metrics(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        metrics = super().get_metrics(trainer, pl_module)
        return {terminal_text(name): value for name, value in metrics.items()}


def _check_processes(state: dict[str, Any], num_processes: int) -> None:
    """Refuse to share the batches otherwise: epochs would have other steps.

    Raises:
        ConfigError: If the state is one of another number of processes.
    """
    before = int(state.get(PROCESSES, num_processes))
    if before != num_processes:
        raise ConfigError(
            f"the run to continue has {before} processes (devices times nodes), not "
            f"{num_processes}, with which an epoch has other steps; continue it with "
            f"{before} (--devices, --nodes)"
        )


def _set_position(loader: DataLoader[Any], state: dict[str, Any]) -> None:
    """Let the batches begin where a checkpoint was written.

    Lightning draws the first order before it tells the sampler the epoch, and does not
    know what part of an epoch a sampler has given.
    """
    sampler = cast("BudgetBatchSampler", loader.batch_sampler)
    progress = state["loops"]["fit_loop"]
    epoch = int(progress["epoch_progress"]["current"]["processed"])
    within = int(progress["epoch_progress"]["current"]["ready"]) > epoch
    batches = progress["epoch_loop.batch_progress"]["current"]["processed"]
    sampler.set_epoch(epoch)
    sampler.skip_once(int(batches) if within else 0)


def _make_trainer(
    folder: Path,
    config: TrainingConfig,
    callbacks: list[Callback],
    devices: Devices,
    settings: dict[str, Any],
) -> Trainer:
    logger = TensorBoardLogger(
        folder, name="tensorboard", version="", default_hp_metric=False
    )
    logger.log_hyperparams(settings)
    return Trainer(
        **devices.trainer_options(),
        precision=_PRECISION[config.precision],
        max_epochs=config.max_epochs,
        gradient_clip_val=config.gradient_clip,
        accumulate_grad_batches=config.accumulate,
        callbacks=callbacks,
        logger=logger,
        default_root_dir=folder,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        enable_progress_bar=any(isinstance(x, ProgressBar) for x in callbacks),
        enable_model_summary=False,
        use_distributed_sampler=False,  # ours shares the batches out itself
    )


@contextmanager
def _interrupts(
    folder: RunFolder, history: History, interruption: Interruption
) -> Iterator[None]:
    """Turn Lightning's exits after a signal into an error that says what is kept."""
    try:
        yield
    except SystemExit as stop:
        is_signal = isinstance(stop, SIGTERMException)
        if not is_signal and not isinstance(stop.__context__, KeyboardInterrupt):
            raise
        done = len(history.epochs)
        raise interruption.error(folder, done, 0, folder.last) from None
