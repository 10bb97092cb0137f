"""Ray's tuner: what it draws, what runs a trial, and what stops one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pyg_sitenet.config import Config
from pyg_sitenet.tuning.plan import SearchPlan
from pyg_sitenet.tuning.resources import trial_resources
from pyg_sitenet.tuning.search_result import EXPERIMENT


def make_tuner(
    config: Config,
    folder: Path,
    plan: SearchPlan,
    *,
    resume: bool,
    cache: Path,
    space: dict[str, Any],
    accelerator: str,
) -> Any:  # noqa: ANN401 - ray has no types
    """Return the tuner of a new search, or of the one to continue.

    Args:
        config: What is not searched.
        folder: Of the search.
        plan: By how many trials.
        resume: Continue it.
        cache: Where featurised data are.
        space: What Ray draws from.
        accelerator: Kind of device.

    Raises:
        ConfigError: If Ray has no such device.
    """
    import ray
    from ray import tune as ray_tune
    from ray.tune.search.optuna import OptunaSearch

    from pyg_sitenet.tuning.trial import SCORE

    gpus = float(ray.cluster_resources().get("GPU", 0))
    trainable = ray_tune.with_resources(
        _make_trainable(config, folder, cache, accelerator),
        trial_resources(accelerator, gpus, plan.concurrent),
    )
    if resume:
        return ray_tune.Tuner.restore(
            str(folder / EXPERIMENT), trainable, resume_errored=True, param_space=space
        )
    epochs = config.training.max_epochs
    return ray_tune.Tuner(
        trainable,
        param_space=space,
        tune_config=ray_tune.TuneConfig(
            metric=SCORE,
            mode="min",
            search_alg=OptunaSearch(seed=config.training.seed),
            scheduler=make_scheduler(epochs, plan.grace_epochs),
            num_samples=plan.num_trials,
            max_concurrent_trials=plan.concurrent,
        ),
        run_config=ray_tune.RunConfig(
            name=EXPERIMENT, storage_path=str(folder), verbose=0
        ),
    )


def _make_trainable(config: Config, folder: Path, cache: Path, accelerator: str) -> Any:  # noqa: ANN401
    from ray import tune as ray_tune

    from pyg_sitenet.tuning.trial import run_trial

    return ray_tune.with_parameters(
        run_trial,
        base=config.model_dump(mode="json"),
        folder=str(folder / "trials"),
        cache=str(cache),
        accelerator=accelerator,
    )


def make_scheduler(epochs: int, grace_epochs: int) -> Any:  # noqa: ANN401
    """Return what stops trials that fall behind others at the same epoch."""
    from ray.tune.schedulers import ASHAScheduler

    from pyg_sitenet.tuning.trial import EPOCH

    # One epoch more than there are: a trial that gets to the end ends itself, and so
    # leaves a complete run folder.
    return ASHAScheduler(
        time_attr=EPOCH, max_t=epochs + 1, grace_period=min(grace_epochs, epochs)
    )
