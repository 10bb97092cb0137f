"""The card of a ready model, from what its file says."""

from __future__ import annotations

from typing import Any

from ase.data import chemical_symbols
from ready_model_facts import Facts

from pyg_sitenet.data.readers.named.matbench_tasks import MATBENCH
from pyg_sitenet.model_file import ModelDescription


def card(name: str, description: ModelDescription, facts: Facts, note: str) -> str:
    """Return the card: data, split, error, elements, limits."""
    target = facts.target
    low, high = description.target_ranges[target]
    elements = " ".join(chemical_symbols[z] for z in description.elements)
    extra = f"\n{note}\n" if note else ""
    unit = f" in {facts.unit}" if facts.unit else ""
    span = f"values from {low:.3g} to {high:.3g}{' ' * bool(facts.unit)}{facts.unit}"
    return f"""# {name}

Predicts `{target}`{unit}: `sitenet predict {name} my.cif`.

## Data

{facts.data[0].upper()}{facts.data[1:]} (`{facts.source}`, {span}). Please cite:
{facts.citation}.
{extra}
## Training

{training(description, facts)}

## Error

{errors(description, facts)}

{intervals(description, facts)}

## Elements

{elements}

Others give a warning.

## Limits

{facts.limits}
"""


def training(description: ModelDescription, facts: Facts) -> str:
    """Say what was trained, how long, and on which part of the data."""
    config, metrics = description.config, description.metrics
    sizes = metrics["num_crystals"]
    networks, each = "A network", ""
    if description.members > 1:
        networks = f"{description.members} networks"
        each = " each, which differ by seed"
    weights = "the averaged weights of the last epoch"
    if sizes["val"]:
        weights = f"the weights of epoch {metrics['best_epoch']}, which validated best"
        if description.members > 1:
            weights = "of each the weights that validated best"
    split = f"Random split (seed {config.data.split_seed})"
    if facts.source in MATBENCH:
        split = "The official fold 0"
    val = f"{sizes['val']} to validate, " if sizes["val"] else ""
    learnt = " The logarithm is what is learnt." if facts.is_log else ""
    return (
        f"{networks} of {metrics['num_parameters']:,} parameters{each}; "
        f"{config.data.environment} of {config.data.max_atoms} atoms, "
        f"{metrics['epochs']} epochs; {weights}, stored as float16.{learnt}\n{split}: "
        f"{sizes['train']} crystals to train, {val}{sizes['test']} to test. All "
        "settings are in the model file."
    )


def errors(description: ModelDescription, facts: Facts) -> str:
    """Return the table of errors."""
    metrics = description.metrics
    scores = metrics["targets"][facts.target]
    unit = f" / {facts.unit}" if facts.unit else ""
    rows = [
        f"| on the {metrics['num_crystals']['test']} test crystals | MAE{unit} |",
        "|---|---|",
        f"| this model | {full(scores['test'])} |",
        *baselines(scores["baselines"]),
    ]
    board = [f"| best of the public board, on all five folds | {facts.board} |"]
    if not facts.is_log:
        return "\n".join(rows + (board if facts.board else []))
    learnt = scores["learnt"]
    rows += [
        "",
        f"| the same | MAE / {learnt['unit']} |",
        "|---|---|",
        f"| this model | {full(learnt['test'], digits=4)} |",
        *baselines(learnt["baselines"], digits=4),
    ]
    return "\n".join(rows + (board if facts.board else []))


def full(test: dict[str, Any], digits: int = 3) -> str:
    """Return MAE, RMSE and R2."""
    mae, rmse, r2 = test["mae"], test["rmse"], test["r2"]
    return f"{mae:.{digits}f} (RMSE {rmse:.{digits}f}, R2 {r2:.3f})"


def baselines(scores: dict[str, Any], digits: int = 3) -> list[str]:
    """Return the rows of the models that see no structure."""
    words = {
        "composition": "extra trees on the composition alone",
        "mean": "mean of the training data",
    }
    return [
        f"| {word} | {scores[kind]['test']['mae']:.{digits}f} |"
        for kind, word in words.items()
        if kind in scores
    ]


def intervals(description: ModelDescription, facts: Facts) -> str:
    """Say how often the intervals held."""
    number = description.metrics["num_crystals"]["test"]
    coverage = description.metrics["targets"][facts.target]["coverage"]
    half, unit = number // 2, f" {facts.unit}" if facts.unit else ""
    rows = [row for row in coverage if row["level"] == 0.9]
    if not rows:
        return "The test crystals are too few for intervals of 90 %."
    share, width = rows[0]["coverage"], rows[0]["mean_width"]
    return (
        f"Intervals (`--level 0.9`) are calibrated on {number - half} of the test "
        f"crystals.\nOn the other {half} those of 90 % hold {share:.1%} of the true "
        f"values; they are\n{width:.2f}{unit} wide on average."
    )
