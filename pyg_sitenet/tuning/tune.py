"""``tune``: a configuration and a space in, the best configuration out."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pyg_sitenet.atomic_write import write_text
from pyg_sitenet.cache_folder import cache_folder
from pyg_sitenet.config import Config, dump_config
from pyg_sitenet.data.batches.datamodule import CrystalDataModule
from pyg_sitenet.errors import ConfigError, SiteNetError
from pyg_sitenet.file_locks import locked_folder
from pyg_sitenet.training.data_notes import data_notes
from pyg_sitenet.training.loading import complete, load_data
from pyg_sitenet.training.loop.devices import Devices
from pyg_sitenet.training.run.record import check_run_data, write_run_data
from pyg_sitenet.training.run.run_folder import RunFolder, check_same_settings
from pyg_sitenet.tuning.ownership import SETTINGS, check_others, check_own, note_own
from pyg_sitenet.tuning.plan import PLAN, SearchPlan, make_plan
from pyg_sitenet.tuning.search_result import EXPERIMENT, TuneResult, fit, write_result
from pyg_sitenet.tuning.tuner import make_tuner

_logger = logging.getLogger(__name__)
_MISSING = "the search needs the packages ray and optuna; install pyg-sitenet[ray]"
_FREE = {"data.source", "data.workers", "data.loader_workers"}


def tune(
    config: Config,
    output: str | Path,
    *,
    num_trials: int | None = None,
    settings: Sequence[str] | None = None,
    concurrent: int | None = None,
    grace_epochs: int | None = None,
    address: str | None = None,
    resume: bool = False,
    trust: bool = False,
    cache: str | Path | None = None,
    accelerator: str = "auto",
) -> TuneResult:
    """Search for the settings with the lowest validation error.

    Optuna proposes settings (tree-structured Parzen estimators), asynchronous
    successive halving (ASHA) stops trials that fall behind. The test part decides
    nothing. A stopped search goes on where it was with ``resume``.

    Args:
        config: What is not searched, and ``training.max_epochs`` of a full trial.
        output: Folder of the search; on a cluster one that all machines share.
        num_trials: How many settings are tried. (default: 50)
        settings: Names of what is searched. (default: all that have a range)
        concurrent: Trials at a time. (default: as many as there are cores, or GPUs)
        grace_epochs: Epochs that every trial may train. (default: 10)
        address: Of a running Ray cluster; ``auto`` finds it. (default: that of a job
            of Ray, in ``RAY_ADDRESS``, else this machine alone)
        resume: Continue the search in ``output`` as it was begun; what of the four
            above is given must be the same.
        trust: Continue it even if this user has not begun it there: Ray unpickles its
            files, which may run anything.
        cache: Folder for featurised data, shared on a cluster. (default: as in
            :func:`~pyg_sitenet.train`)
        accelerator: Kind of device, as :func:`~pyg_sitenet.train` takes it; ``auto``
            takes the GPUs that Ray has.

    Raises:
        ConfigError: If a setting has no range, there is no validation part, an
            ensemble is asked for, the search to continue has other settings, or Ray
            has no such device.
        DataError: If the search to continue has other data.
        SiteNetError: If Ray is missing, the folder holds a search already, none to
            continue or somebody else's, its disk is full, or no trial came to an end.
    """
    _check_installed()
    _check(config)
    from pyg_sitenet.tuning.space import ray_space

    given = {
        "num_trials": num_trials,
        "settings": tuple(settings) if settings else None,
        "concurrent": concurrent,
        "grace_epochs": grace_epochs,
    }
    folder, config = Path(output).resolve(), complete(config)
    with locked_folder(folder):
        _check_folder(folder, config, resume=resume, trust=trust)
        plan = make_plan(folder, given, resume=resume)
        space = ray_space(plan.settings)
        # Encoded once, before the trials want it.
        data = load_data(config, cache, None, Devices(), progress=False)
        _check_or_note(folder, config, plan, data, resume=resume)
        with _cluster(address):
            tuner = make_tuner(
                config,
                folder,
                plan,
                resume=resume,
                cache=cache_folder(cache).resolve(),
                space=space,
                accelerator=accelerator,
            )
            results = fit(tuner, folder)
        return write_result(config, folder, results)


@contextmanager
def _cluster(address: str | None) -> Iterator[None]:
    """Be connected to Ray, by the connection there is or one of its own."""
    import ray

    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray.init(
        # Left to itself, Ray joins any cluster that runs on the machine.
        address or os.environ.get("RAY_ADDRESS") or "local",
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    try:
        yield
    finally:
        ray.shutdown()


def _check_installed() -> None:
    try:
        import optuna  # noqa: F401
        import ray  # noqa: F401
    except ImportError as error:
        raise SiteNetError(f"{_MISSING}: {error}") from error


def _check(config: Config) -> None:
    if not config.data.val_fraction:
        raise ConfigError(
            "data.val_fraction must be above 0: trials are compared by it"
        )
    members = config.training.members
    if members > 1:
        raise ConfigError(
            f"training.members must be 1, got {members}: a trial is a single network; "
            f"train the best settings with training.members={members} (--members)"
        )


def _check_folder(folder: Path, config: Config, *, resume: bool, trust: bool) -> None:
    exists = (folder / EXPERIMENT).is_dir()
    if exists and not resume:
        raise SiteNetError(
            f"{folder}: holds a search already; choose another output folder, or "
            "continue it with resume (--resume)"
        )
    if resume and not exists:
        raise SiteNetError(
            f"{folder}: holds no search to continue; start it without resume"
        )
    if not resume:
        check_others(folder, config.data.source)
    elif not trust:
        check_own(folder)
    if (folder / SETTINGS).is_file() and resume:
        check_same_settings(folder / SETTINGS, config, _FREE)


def _check_or_note(
    folder: Path,
    config: Config,
    plan: SearchPlan,
    data: CrystalDataModule,
    *,
    resume: bool,
) -> None:
    """Check the data against those of the search to continue, or note what they are.

    Trials that were stopped go on with the data where they lay when they began. What
    the data hide is told once, before the first trial.
    """
    for subfolder in (folder / "trials", folder / "figures"):
        subfolder.mkdir(parents=True, exist_ok=True)
    if resume:
        check_run_data(RunFolder(folder), data)
    else:
        for note in data_notes(config, data, is_drawn=True):
            _logger.warning("%s", note)
        note_own(folder)
        write_text(folder / SETTINGS, dump_config(config))
        write_text(folder / PLAN, plan.model_dump_json(indent=2) + "\n")
        write_run_data(RunFolder(folder), data)
