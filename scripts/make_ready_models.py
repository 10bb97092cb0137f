r"""Make a model that ships with the package from finished run folders.

Several folders that differ by seed become an ensemble. The weights are stored as
float16, and what is measured and calibrated is the model with those weights. Half of
the test part, drawn at random, calibrates the intervals; the other half says whether
they hold; the error is that of the whole part. Neither decided anything before::

    sitenet benchmark matbench_phonons --folds 0 --seed 0 --output runs/phonons-0
    sitenet benchmark matbench_phonons --folds 0 --seed 1 --output runs/phonons-1
    python scripts/make_ready_models.py phonon-frequency \
        runs/phonons-0/fold_0 runs/phonons-1/fold_0

`train_band_gaps.py` and `train_formation_energies.py` train and make the other two. A
network that was trained on a file of crystals of a task is tested on the task's own
with `--test matbench_mp_gap:FILE`; `--note` says on the card which they were. The
settings of a run are in the model file but for what the target is called; a bulk or
shear modulus is predicted in GPa by a network that was trained on its logarithm, the
same network.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ready_model_card import card
from ready_model_facts import FACTS, Facts
from ready_model_scores import (
    calibrate_on_half,
    measure,
    natural,
    predict,
    test_part,
)

from pyg_sitenet.config import Config, override
from pyg_sitenet.model_file import ModelDescription, load_model, save_model
from pyg_sitenet.nn import SiteNet, SiteNetEnsemble, networks_of
from pyg_sitenet.prediction import Predictor
from pyg_sitenet.uncertainty.conformal import spread_floor
from pyg_sitenet.version import library_versions

Model = SiteNet | SiteNetEnsemble
OUTPUT = Path(__file__).parents[1] / "pyg_sitenet/models"
MOST_BYTES = 3_000_000
SAME = ("elements", "target_ranges", "domain", "targets", "units")


def main() -> None:
    """Read run folders and write the model file and its card."""
    args = parse_arguments()
    facts = FACTS[args.name]
    networks, trained = read_runs(args.runs)
    with tempfile.TemporaryDirectory() as folder:
        model, description = round_weights(
            networks, describe(trained, facts, len(networks)), Path(folder)
        )
    source, ids = test_part(args.runs[0], trained, args.test)
    predictor = Predictor(model, description)
    test = predict(predictor, trained, facts, source, ids)
    floor = None
    if len(networks) > 1:
        floor = spread_floor(test.spread, len(networks))
    calibration, coverage = calibrate_on_half(test, facts.target, floor)
    metrics = measure(trained, facts, test, coverage)
    description = description.model_copy(
        update={"metrics": metrics, "calibration": calibration}
    )
    write(args.output / args.name, model, description, facts, args.note)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("name", choices=sorted(FACTS))
    parser.add_argument("runs", type=Path, nargs="+", help="finished run folders")
    parser.add_argument("--test", metavar="TASK:FILE", help="whose crystals it tested")
    parser.add_argument("--note", default="", help="on the training data, for the card")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    return parser.parse_args()


def read_runs(runs: Sequence[Path]) -> tuple[list[SiteNet], ModelDescription]:
    """Read the networks of all runs, which must have learnt the same."""
    loaded = [load_model(run) for run in runs]
    first = loaded[0][1]
    for run, (_, other) in zip(runs, loaded, strict=True):
        differs = [
            name for name in SAME if getattr(other, name) != getattr(first, name)
        ]
        if other.config.model != first.config.model or differs:
            raise SystemExit(
                f"{run}: other {', '.join(differs) or 'model settings'} than "
                f"{runs[0]}; an ensemble is of runs that differ by seed alone"
            )
    return [net for model, _ in loaded for net in networks_of(model)], first


def describe(trained: ModelDescription, facts: Facts, members: int) -> ModelDescription:
    """Return the description under the names of the ready model."""
    target = facts.target
    if len(trained.targets) != 1:
        raise SystemExit(f"expected a run of one target, got {trained.targets}")
    low, high = trained.target_ranges[trained.targets[0]]
    return trained.model_copy(
        update={
            "config": renamed(trained.config, facts, members),
            "targets": (target,),
            "units": {target: facts.unit} if facts.unit else {},
            "target_ranges": {target: (natural(low, facts), natural(high, facts))},
            "versions": library_versions(),
            "members": members,
            "metrics": {},
            "calibration": None,
        }
    )


def renamed(config: Config, facts: Facts, members: int) -> Config:
    """Return the settings with source and target as everybody knows them."""
    if config.training.target_transform:
        raise SystemExit("expected a run that learnt its target as it is")
    named = {facts.target: "log10"} if facts.is_log else {}
    units = {facts.target: facts.unit} if facts.unit else {}
    data = config.data.model_copy(update={"units": units})
    training = config.training.model_copy(update={"target_transform": named})
    plain = config.model_copy(update={"data": data, "training": training})
    return override(
        plain,
        [
            f"data.source={facts.source}",
            f"data.targets=[{facts.target}]",
            "data.workers=0",
            f"training.members={members}",
        ],
    )


def round_weights(
    networks: list[SiteNet], description: ModelDescription, folder: Path
) -> tuple[Model, ModelDescription]:
    """Join the networks, with their weights rounded to float16."""
    joined = networks[0] if len(networks) == 1 else SiteNetEnsemble(networks)
    save_model(folder / "model.safetensors", joined, description, half=True)
    return load_model(folder)


def write(
    folder: Path, model: Model, description: ModelDescription, facts: Facts, note: str
) -> None:
    """Write the model file and its card."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "model.safetensors"
    save_model(file, model, description, half=True)
    file.chmod(0o644)
    (folder / "README.md").write_text(card(folder.name, description, facts, note))
    size = file.stat().st_size
    if size > MOST_BYTES:
        raise SystemExit(f"{file}: {size} bytes, more than {MOST_BYTES}; join fewer")
    print(f"{folder}: {size} bytes, {json.dumps(description.metrics['targets'])}")


if __name__ == "__main__":
    main()
