"""Make a model that ships with the package from the run folder of a training.

The weights are stored as float16, and what is measured and calibrated is the model with
those weights. Half of the test part, drawn at random, calibrates the intervals; the
other half says whether they hold. Neither decided anything before::

    sitenet train --output runs/gap
    python scripts/make_ready_models.py runs/gap band-gap
    sitenet train --config benchmarks/formation_energy.yaml --output runs/energy \
        --set training.members=1 --set data.val_fraction=0.1
    python scripts/make_ready_models.py runs/energy formation-energy

So the models that ship were made. The file of the benchmark had those two values then
and has had others since, which no model that ships was trained with.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase.data import chemical_symbols
from numpy.typing import NDArray

from pyg_sitenet.config import Config
from pyg_sitenet.data.batches.datamodule import CrystalDataModule
from pyg_sitenet.data.readers.named.bundled import BUNDLED
from pyg_sitenet.model_file import ModelDescription, load_network, save_model
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.training.loading import load_data
from pyg_sitenet.training.loop.callbacks import History
from pyg_sitenet.training.loop.devices import Devices
from pyg_sitenet.training.outcome import Outcome, summarise
from pyg_sitenet.training.results import describe
from pyg_sitenet.uncertainty import Calibration, calibrate, measure_coverage

Array = NDArray[np.float64]
OUTPUT = Path(__file__).parents[1] / "pyg_sitenet/models"
LIMITS = {
    "band-gap": """\
- Band gaps of density functional theory with the functionals of the Materials Project,
  which are smaller than measured ones.
- Trained on compounds with a gap: it does not tell metals from insulators.
- Few crystals: a forest on the composition alone does about as well (above). For your
  own class of compounds train on your own data.""",
    "formation-energy": """\
- Energies of density functional theory with the functionals and corrections of the
  Materials Project, against the elements, at relaxed structures. Energies of
  structures that are not relaxed are outside of what it has seen.
- Cells of at most 25 sites, ordered crystals. Elements with few crystals are least
  certain.
- Differences between polymorphs are often smaller than its error.""",
}


def main() -> None:
    """Read a run folder and write the model file and its card."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="run folder of a finished training")
    parser.add_argument("name", choices=sorted(LIMITS))
    parser.add_argument("--seeds", help="test MAE over seeds, for the card")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    args = parser.parse_args()
    folder = args.output / args.name
    folder.mkdir(parents=True, exist_ok=True)
    model, config = read_rounded(args.run)
    data = load_data(config, None, None, Devices.choose(1, 1, "cpu"), progress=False)
    outcome = predict_parts(config, data, model, args.run)
    metrics = summarise(outcome)
    calibration, coverage = calibrate_on_half(outcome)
    for target, rows in coverage.items():
        metrics["targets"][target]["coverage"] = rows
    description = describe(outcome, metrics, calibration)
    save_model(folder / "model.safetensors", model, description, half=True)
    (folder / "README.md").write_text(card(args.name, description, args.seeds))
    (folder / "model.safetensors").chmod(0o644)
    size = (folder / "model.safetensors").stat().st_size
    print(f"{folder}: {size} bytes, {json.dumps(metrics['targets'])}")


def read_rounded(run: Path) -> tuple[SiteNet, Config]:
    """Read the model of a run with its weights rounded to float16."""
    model, description = load_network(run)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        save_model(path, model, description, half=True)
        return load_network(path)[0], description.config


@torch.inference_mode()
def predict_parts(
    config: Config, data: CrystalDataModule, model: SiteNet, run: Path
) -> Outcome:
    """Predict the validation and test parts anew."""
    predicted = {}
    for part in ("val", "calibration", "test"):
        values = [model(batch) for batch in data.ordered_dataloader(part)]
        none = torch.empty(0, model.layout.num_outputs)
        predicted[part] = torch.cat([none, *values]).double().numpy()
    history = History()
    history.epochs = json.loads((run / "metrics.json").read_text())["history"]
    return Outcome(
        config=config,
        units={**data.dataset.units, **config.data.units},
        crystals={part: data.part(part) for part in data.splits},
        predicted=predicted,
        history=history,
        num_failed=len(data.dataset.failures),
        num_parameters=sum(weight.numel() for weight in model.parameters()),
    )


def calibrate_on_half(outcome: Outcome) -> tuple[Calibration, dict[str, Any]]:
    """Calibrate on a random half of the test part, measure on the other."""
    truth, predicted = outcome.truth("test"), outcome.predicted["test"]
    order = np.random.default_rng(0).permutation(len(truth))
    half, other_half = np.array_split(order, 2)

    def columns(values: Array, half: NDArray[np.int64]) -> dict[str, Array]:
        return {name: values[half, t] for t, name in enumerate(outcome.targets)}

    calibration = calibrate(columns(truth, half), columns(predicted, half))
    reference, guessed = columns(truth, other_half), columns(predicted, other_half)
    return calibration, {
        name: measure_coverage(calibration, name, reference[name], guessed[name])
        for name in outcome.targets
    }


def card(name: str, description: ModelDescription, seeds: str | None) -> str:
    """Return the card: data, split, error, elements, limits."""
    config, metrics = description.config, description.metrics
    target, data = description.targets[0], BUNDLED[config.data.source]
    scores, sizes = metrics["targets"][target], metrics["num_crystals"]
    unit, test, coverage = scores["unit"], scores["test"], scores["coverage"]
    low, high = description.target_ranges[target]
    at = next(row for row in coverage if row["level"] == 0.9)
    half = sizes["test"] // 2
    elements = " ".join(chemical_symbols[z] for z in description.elements)
    over_seeds = (
        f"\nOver seeds, each with a split of its own: {seeds}.\n" if seeds else ""
    )
    maes = {
        kind: baseline["test"]["mae"] for kind, baseline in scores["baselines"].items()
    }
    return f"""# {name}

Predicts `{target}` in {unit}: `sitenet predict {name} my.cif`.

## Data

{data.description[0].upper()}{data.description[1:]} (`{data.name}`, values from
{low:.3g} to {high:.3g} {unit}). Please cite: {data.citation}.

## Training

Site-Net with {metrics["num_parameters"]:,} parameters, {config.data.environment} of
{config.data.max_atoms} atoms, {metrics["epochs"]} epochs; the weights of epoch
{metrics["best_epoch"]} had the lowest validation error and are stored as float16.
Random split (seed {config.data.split_seed}): {sizes["train"]} crystals to train,
{sizes["val"]} to validate, {sizes["test"]} to test. All settings are in the model file.

## Error

| on the {sizes["test"]} test crystals | MAE / {unit} |
|---|---|
| this model | {test["mae"]:.3f} (RMSE {test["rmse"]:.3f}, R2 {test["r2"]:.3f}) |
| extra trees on the composition alone | {maes["composition"]:.3f} |
| mean of the training data | {maes["mean"]:.3f} |
{over_seeds}
Intervals (`--level 0.9`) are calibrated on {sizes["test"] - half} of the test crystals.
On the other {half} those of 90 % hold {at["coverage"]:.1%} of the true values; they are
{at["mean_width"]:.2f} {unit} wide.

## Elements

{elements}

Others give a warning.

## Limits

{LIMITS[name]}
"""


if __name__ == "__main__":
    main()
