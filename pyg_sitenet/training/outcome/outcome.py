"""What is known when training is over: answers for held-out crystals, and metrics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch_geometric.data import Batch

from pyg_sitenet.config import Config
from pyg_sitenet.data.batches.datamodule import CrystalDataModule
from pyg_sitenet.data.dataset import CrystalDataset
from pyg_sitenet.nn import SiteNet, SiteNetEnsemble, mean_and_spread, networks_of
from pyg_sitenet.nn.output_layout import OutputLayout, TargetOutputs
from pyg_sitenet.scores import target_scores
from pyg_sitenet.training.loop.callbacks import History
from pyg_sitenet.training.outcome.baselines import MAJORITY, fit_baselines
from pyg_sitenet.training.outcome.novelty_record import (
    NoveltyOutcome,
    measure_novelty,
)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Outcome:
    """What is known when training is over.

    Attributes:
        config: All settings.
        units: Unit of each target that has one.
        crystals: The parts ``train``, ``val``, ``calibration`` and ``test``, read as
            they are needed.
        predicted: Answers for all parts but ``train``, each [N, T_out]: values in units
            of the target, and probabilities of classes.
        history: Errors of every epoch.
        num_failed: Inputs that could not be used.
        num_parameters: Of the model.
        spread: Standard deviation of an ensemble's members, as ``predicted``.
        novelty: How unlike the training data the other parts are.
    """

    config: Config
    units: Mapping[str, str]
    crystals: Mapping[str, CrystalDataset]
    predicted: Mapping[str, Array]
    history: History
    num_failed: int
    num_parameters: int
    spread: Mapping[str, Array] | None = None
    novelty: NoveltyOutcome = field(default_factory=NoveltyOutcome)

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the targets."""
        return self.config.data.targets

    @property
    def layout(self) -> OutputLayout:
        """What the columns of the answers are."""
        return OutputLayout.of(self.config)

    def truth(self, part: str) -> Array:
        """Return the known values of a part, [N, T]."""
        values: Array = self.crystals[part].y.double().numpy()
        return values


def predict_parts(
    config: Config,
    data: CrystalDataModule,
    model: SiteNet | SiteNetEnsemble,
    history: History,
) -> Outcome:
    """Predict the validation, calibration and test parts.

    An ensemble without validation predicts the training part, too: the floor of its
    spread comes from there.

    Args:
        config: All settings.
        data: The crystals, split.
        model: With the kept weights, where it computes.
        history: Errors of every epoch.
    """
    crystals = {name: data.part(name) for name in data.splits}
    is_ensemble = isinstance(model, SiteNetEnsemble)
    parts: tuple[str, ...] = ("val", "calibration", "test")
    if is_ensemble and not crystals["val"]:
        parts = ("train", *parts)
    answers = {
        part: _predict(model, data.ordered_batches(crystals[part])) for part in parts
    }
    predicted = {part: mean for part, (mean, _) in answers.items()}
    spread = {part: s for part, (_, s) in answers.items()} if is_ensemble else None
    return Outcome(
        config=config,
        units={**data.dataset.units, **config.data.units},
        crystals=crystals,
        predicted=predicted,
        history=history,
        num_failed=len(data.dataset.failures),
        num_parameters=sum(p.numel() for p in model.parameters()),
        spread=spread,
        novelty=measure_novelty(
            model, crystals, data.ordered_batches, predicted, spread
        ),
    )


@torch.inference_mode()
def _predict(
    model: SiteNet | SiteNetEnsemble, batches: Iterable[Batch]
) -> tuple[Array, Array]:
    """Return means and spreads in order, [N, T_out] each; one network has no spread."""
    network = networks_of(model)[0]
    none = torch.empty(0, network.layout.num_outputs)
    means, spreads = [none], [none]
    for batch in batches:
        batch.y = None  # doubles, which not all devices have
        mean, spread = mean_and_spread(model, batch.to(network.target_mean.device))
        means.append(mean.cpu())
        if spread is not None:
            spreads.append(spread.cpu())
    return torch.cat(means).double().numpy(), torch.cat(spreads).double().numpy()


def summarise(outcome: Outcome) -> dict[str, Any]:
    """Return the metrics of a run, those of the baselines beside the model's."""
    sizes = {name: len(part) for name, part in outcome.crystals.items()}
    targets = _target_metrics(outcome)
    if not sizes["calibration"]:  # a part that few runs have
        del sizes["calibration"]
    return {
        "targets": targets,
        "num_crystals": sizes | {"failed": outcome.num_failed},
        "num_parameters": outcome.num_parameters,
        "epochs": len(outcome.history.epochs),
        "best_epoch": outcome.history.best_epoch,
        "notes": [*_class_notes(outcome), *_null_notes(targets), *_notes(sizes)],
    }


def _target_metrics(outcome: Outcome) -> dict[str, dict[str, Any]]:
    crystals, predicted = outcome.crystals, outcome.predicted
    truth = {part: outcome.truth(part) for part in ("val", "test")}
    seed = outcome.config.training.seed
    layout = outcome.layout
    baselines = fit_baselines(crystals["train"], crystals["test"], seed, layout)
    truth |= dict.fromkeys(baselines, truth["test"])
    answers = {**predicted, **baselines}
    return {
        target.name: {
            "unit": outcome.units.get(target.name, ""),
            **({"classes": list(target.classes)} if target.classes else {}),
            "test": scores["test"],
            "val": scores["val"],
            "baselines": {
                MAJORITY if target.classes and name == "mean" else name: {
                    "test": scores[name]
                }
                for name in baselines
            },
        }
        for target, scores in _scores(layout, truth, answers)
    }


def _scores(
    layout: OutputLayout, truth: Mapping[str, Array], answers: Mapping[str, Array]
) -> Iterator[tuple[TargetOutputs, dict[str, dict[str, Any]]]]:
    """Yield each target with its scores in every part and of every baseline."""
    for t, target in enumerate(layout.targets):
        yield (
            target,
            {
                part: target_scores(
                    truth[part][:, t], answers[part][:, target.columns], target.classes
                )
                for part in truth
            },
        )


def _class_notes(outcome: Outcome) -> list[str]:
    """Say which targets were learnt as classes, and how many crystals had each."""
    y, notes = outcome.truth("train"), []
    for t, target in enumerate(outcome.layout.targets):
        counts = [int((y[:, t] == k).sum()) for k in range(len(target.classes))]
        pairs = zip(target.classes, counts, strict=True)
        shown = ", ".join(f"{label} ({count})" for label, count in pairs)
        if shown:
            notes.append(f"{target.name}: learnt as the classes {shown} in training")
    return notes


def _null_notes(targets: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Say why scores of the test part are null if its values are all alike."""
    notes = []
    for name, metrics in targets.items():
        scores = metrics["test"]
        if scores.get("mae") is not None and scores["r2"] is None:
            notes.append(
                f"{name}: R2 of the test part is null, since its known values are all"
                " alike"
            )
        if scores.get("log_loss") is not None and scores["accuracy"] is None:
            notes.append(
                f"{name}: accuracy, balanced accuracy, F1 and ROC-AUC of the test part"
                " are null, since its crystals are of one class"
            )
    return notes


def _notes(sizes: Mapping[str, int]) -> list[str]:
    reasons = {
        "val": "no validation crystals: the weights are those of the last epoch",
        "test": "no test crystals: the test errors are null",
    }
    total = sum(sizes.values())
    crystals = "1 crystal" if total == 1 else f"{total} crystals"
    return [
        f"{reason} ({crystals} in all, see data.{name}_fraction)"
        for name, reason in reasons.items()
        if not sizes[name]
    ]


def baseline_errors(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return the errors of the baselines that the learning curve has of the model.

    Args:
        metrics: The metrics of a target.
    """
    kind = "log_loss" if "classes" in metrics else "mae"
    errors = {
        name: scores["test"][kind] for name, scores in metrics["baselines"].items()
    }
    return {name: error for name, error in errors.items() if error is not None}
