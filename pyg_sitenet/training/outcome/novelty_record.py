"""What a trained model keeps to tell how unlike its training data a crystal is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from pyg_sitenet.data.batches.datamodule import CrystalDataModule
from pyg_sitenet.data.batches.splits import Indices
from pyg_sitenet.nn import SiteNet, SiteNetEnsemble, networks_of
from pyg_sitenet.novelty import (
    Crystal,
    Novelty,
    NoveltyMeasure,
    crystal_features,
    fit_novelty,
    reach_of,
    sample_size,
)

Array = NDArray[np.float64]

_HELD_OUT = ("val", "calibration", "test")
_MOST = 2000  # crystals of a part that are compared, where not all are needed


@dataclass(frozen=True)
class NoveltyOutcome:
    """How unlike the training data the held-out crystals of a run are.

    Attributes:
        record: What the model file keeps; None of too few held-out crystals.
        widening: By how much the interval of each crystal of a part is wider than that
            of an ordinary one, [N].
    """

    record: Novelty | None = None
    widening: Mapping[str, Array] = field(default_factory=dict)


def measure_novelty(
    model: SiteNet | SiteNetEnsemble,
    data: CrystalDataModule,
    predicted: Mapping[str, Array],
    spread: Mapping[str, Array] | None = None,
) -> NoveltyOutcome:
    """Compare the held-out crystals of a run with those that were trained on.

    Args:
        model: With its weights, where it computes. Of an ensemble the vectors are those
            of the first network.
        data: The crystals, split.
        predicted: Answers for the held-out parts, each [N, T_out].
        spread: Standard deviation of an ensemble's members, as ``predicted``.
    """
    network = networks_of(model)[0]
    size = sample_size(network.readout.linear.in_features)
    training = [crystal_features(graph) for graph in data.part("train")]
    places = _some(len(training), size)
    vectors = _vectors(network, data, data.splits["train"][places])
    sample = [Crystal(training[k], v) for k, v in zip(places, vectors, strict=True)]
    held_out = {
        part: _crystals(network, data, part, None if spread is None else spread[part])
        for part in _HELD_OUT
    }
    everything = [crystal for crystals in held_out.values() for crystal in crystals]
    reach = _reach(network, data, predicted)
    record = fit_novelty(training, sample, everything, reach)
    if record is None:
        return NoveltyOutcome()
    measure = NoveltyMeasure(record)
    return NoveltyOutcome(
        record,
        {
            part: np.array([measure.compare(crystal).widening for crystal in crystals])
            for part, crystals in held_out.items()
        },
    )


def _reach(
    network: SiteNet, data: CrystalDataModule, predicted: Mapping[str, Array]
) -> float:
    """Return the largest reach of a target, see :func:`reach_of`."""
    known = {part: data.part(part).y.double().numpy() for part in ("train", *_HELD_OUT)}
    reaches = [1.0]
    for t, target in enumerate(network.layout.targets):
        learnt = known["train"][:, t]
        if target.classes or not np.isfinite(learnt).any():
            continue
        truth = np.concatenate([known[part][:, t] for part in _HELD_OUT])
        answers = [predicted[part][:, target.start] for part in _HELD_OUT]
        errors = np.abs(truth - np.concatenate(answers))
        reaches.append(reach_of(errors, np.abs(truth - np.nanmedian(learnt))))
    return max(reaches)


def _crystals(
    network: SiteNet, data: CrystalDataModule, part: str, spread: Array | None
) -> list[Crystal]:
    """Return crystals of a part: those whose intervals are measured, or a sample."""
    graphs, has_intervals = data.splits[part], len(data.splits["calibration"]) > 0
    places = np.arange(len(graphs))
    if part == "val" or not has_intervals:
        places = _some(len(graphs), _MOST)
    vectors = _vectors(network, data, graphs[places])
    return [
        Crystal(
            crystal_features(data.dataset[int(graphs[k])]),
            vector,
            () if spread is None else spread[k],
        )
        for k, vector in zip(places, vectors, strict=True)
    ]


def _some(number: int, most: int) -> Indices:
    """Return evenly spaced places of so many, ``most`` at most."""
    places = np.linspace(0, number - 1, min(most, number))
    return np.unique(places.round().astype(np.int64))


@torch.inference_mode()
def _vectors(network: SiteNet, data: CrystalDataModule, graphs: Indices) -> Array:
    """Return the vectors of some crystals, [N, C]."""
    width = network.readout.linear.in_features
    if not len(graphs):
        return np.empty((0, width))
    parts = dict.fromkeys(("train", "val", "test", "calibration"), graphs)
    chosen = CrystalDataModule(data.dataset, data.config, data.seed, parts)
    rows = []
    for batch in chosen.ordered_dataloader("train"):
        batch.y = None  # doubles, which not all devices have
        rows.append(network.embed(batch.to(network.target_mean.device)).crystals.cpu())
    vectors: Array = torch.cat(rows).double().numpy()
    return vectors
