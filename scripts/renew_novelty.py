r"""Give a ready model the record of what its training crystals are like, anew.

The network stays as it is. Its training crystals are encoded again, the record is made
as a training makes it, and the intervals are calibrated with it as by
`make_ready_models.py`. What is learnt as a logarithm is compared in its own unit::

    python scripts/renew_novelty.py phonon-frequency --source matbench_phonons:FILE
    python scripts/renew_novelty.py formation-energy --run runs/energy-0

An ensemble of several runs needs it: the record of its first run does not tell how far
its members disagree.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from make_ready_models import OUTPUT, Model, write
from numpy.typing import NDArray
from ready_model_facts import FACTS, Facts
from ready_model_scores import Answers, calibrate_on_half

from pyg_sitenet.cache_folder import cache_folder
from pyg_sitenet.config import Config, load_config
from pyg_sitenet.data.batches.datamodule import CrystalDataModule, splits_by_id
from pyg_sitenet.data.batches.splits import make_splits
from pyg_sitenet.data.dataset import CrystalDataset
from pyg_sitenet.data.readers.named.matbench_tasks import MATBENCH
from pyg_sitenet.model_file import ModelDescription, load_model
from pyg_sitenet.nn import mean_and_spread
from pyg_sitenet.training.outcome.novelty_record import measure_novelty

Array = NDArray[np.float64]


class PowersDataset(CrystalDataset):
    """Crystals of a task whose target is the logarithm of that of a model."""

    @property
    def y(self) -> torch.Tensor:
        """Targets of each crystal, [N, T]."""
        return 10.0 ** super().y


def main() -> None:
    """Read a ready model and write it with a new record."""
    args = parse_arguments()
    facts = FACTS[args.name]
    model, description = load_model(args.output / args.name)
    if args.run is not None and (args.source or facts.is_log):
        raise SystemExit("--run is for a target as it was learnt, without --source")
    if args.run is None:
        data = read_data(description.config, facts, args.source or facts.source)
    else:
        data = read_run(args.run)
    check_crystals(description, data)
    predicted, spread = answers(model, data)
    crystals = {part: data.part(part) for part in data.splits}
    outcome = measure_novelty(model, crystals, data.ordered_batches, predicted, spread)
    answered = predicted["calibration"][:, 0]
    test = Answers(
        data.part("calibration").y[:, 0].double().numpy(),
        answered,
        np.zeros(len(answered)) if spread is None else spread["calibration"][:, 0],
        outcome.widening["calibration"],
    )
    floor = None
    if spread is not None and description.calibration is not None:
        floor = description.calibration.floors[facts.target]
    calibration, coverage = calibrate_on_half(test, facts.target, floor)
    update: dict[str, Any] = {
        "novelty": outcome.record,
        "calibration": calibration,
        "metrics": with_coverage(description, facts.target, coverage),
    }
    renewed = description.model_copy(update=update)
    write(args.output / args.name, model, renewed, facts, args.note)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("name", choices=sorted(FACTS))
    parser.add_argument("--source", metavar="TASK:FILE", help="a file that is there")
    parser.add_argument("--run", type=Path, help="whose crystals were learnt")
    parser.add_argument("--note", default="", help="on the training data, for the card")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    return parser.parse_args()


def read_data(config: Config, facts: Facts, source: str) -> CrystalDataModule:
    """Encode the crystals of a model, split as they were when it was trained.

    The test part, which calibrates and measures intervals, is that of the calibration.
    """
    task = MATBENCH.get(source.partition(":")[0])
    name = facts.target if task is None else task.target
    update = {"source": source, "targets": (name,), "units": {}}
    own = config.data.model_copy(update=update)
    kind = PowersDataset if facts.is_log else CrystalDataset
    dataset = kind.from_config(cache_folder(None), own)
    if task is None:
        splits = make_splits(own, [""] * len(dataset))
    else:
        train, test = task.folds(np.zeros(task.num_crystals))[0]
        parts = {"train": train, "val": [], "test": test}
        ids = {part: list(map(task.id_of_row, rows)) for part, rows in parts.items()}
        splits = splits_by_id(dataset, ids)
    splits |= {"calibration": splits["test"], "test": splits["test"][:0]}
    return CrystalDataModule(dataset, own, 0, splits)


def read_run(run: Path) -> CrystalDataModule:
    """Encode the crystals of a run in its parts, the test part for calibration."""
    own = load_config(run / "config.yaml").data
    dataset = CrystalDataset.from_config(cache_folder(None), own)
    parts: dict[str, dict[str, None]] = {"train": {}, "val": {}, "test": {}}
    with (run / "crystals.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["part"] in parts:  # a row for each graph of a crystal
                parts[row["part"]][row["id"]] = None
    splits = splits_by_id(dataset, {part: list(ids) for part, ids in parts.items()})
    splits |= {"calibration": splits["test"], "test": splits["test"][:0]}
    return CrystalDataModule(dataset, own, 0, splits)


def check_crystals(description: ModelDescription, data: CrystalDataModule) -> None:
    """Refuse data whose training part is not what the model has learnt.

    Raises:
        SystemExit: If it has another number of crystals, as for a part of a task.
    """
    learnt = description.metrics["num_crystals"]["train"]
    found = len(data.splits["train"])
    if found != learnt:
        raise SystemExit(
            f"the model has learnt {learnt} crystals, and the training part of the "
            f"data has {found}; train and make it anew"
        )


@torch.inference_mode()
def answers(
    model: Model, data: CrystalDataModule
) -> tuple[dict[str, Array], dict[str, Array] | None]:
    """Return predictions for the held-out parts, and their spread of an ensemble."""
    values, spreads = {}, {}
    for part in ("val", "calibration", "test"):
        rows, spread = [np.empty((0, 1))], [np.empty((0, 1))]
        for batch in data.ordered_dataloader(part):
            batch.y = None
            mean, std = mean_and_spread(model, batch)
            rows.append(mean.double().numpy())
            if std is not None:
                spread.append(std.double().numpy())
        values[part], spreads[part] = np.concatenate(rows), np.concatenate(spread)
    return values, spreads if len(spreads["calibration"]) else None


def with_coverage(
    description: ModelDescription, target: str, coverage: list[Any]
) -> Mapping[str, Any]:
    """Return the metrics of a model with other coverages."""
    targets = description.metrics["targets"]
    own = {**targets[target], "coverage": coverage}
    return {**description.metrics, "targets": {**targets, target: own}}


if __name__ == "__main__":
    main()
