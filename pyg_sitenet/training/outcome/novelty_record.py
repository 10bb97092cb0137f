"""What a trained model keeps to tell how unlike its training data a crystal is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch_geometric.data import Batch

from pyg_sitenet.data.dataset import CrystalDataset
from pyg_sitenet.nn import SiteNet, SiteNetEnsemble, networks_of
from pyg_sitenet.novelty import (
    Crystal,
    Features,
    Novelty,
    NoveltyMeasure,
    crystal_features,
    fit_novelty,
    reach_of,
    sample_size,
)

Array = NDArray[np.float64]
Batches = Callable[[CrystalDataset], Iterable[Batch]]

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
    crystals: Mapping[str, CrystalDataset],
    batches: Batches,
    predicted: Mapping[str, Array],
    spread: Mapping[str, Array] | None = None,
) -> NoveltyOutcome:
    """Compare the held-out crystals of a run with those that were trained on.

    Args:
        model: With its weights, where it computes. Of an ensemble the vectors are those
            of the first network.
        crystals: The parts.
        batches: Makes batches of crystals, in order.
        predicted: Answers for the held-out parts, each [N, T_out].
        spread: Standard deviation of an ensemble's members, as ``predicted``.
    """
    network = networks_of(model)[0]
    training = [crystal_features(graph) for graph in crystals["train"]]
    sample = _sample(network, training, crystals["train"], batches)
    has_intervals = len(crystals["calibration"]) > 0
    held_out: dict[str, list[Crystal]] = {}
    for part in _HELD_OUT:
        # Those whose intervals are measured, of others a sample.
        most = _MOST if part == "val" or not has_intervals else len(crystals[part])
        places = _some(len(crystals[part]), most)
        chosen = _select(crystals[part], places)
        spreads = None if spread is None else spread[part][places]
        held_out[part] = _described(network, chosen, batches(chosen), spreads)
    reach = _reach(network, crystals, predicted)
    everything = [crystal for members in held_out.values() for crystal in members]
    record = fit_novelty(training, sample, everything, reach)
    if record is None:
        return NoveltyOutcome()
    measure = NoveltyMeasure(record)
    return NoveltyOutcome(
        record,
        {
            part: np.array([measure.compare(crystal).widening for crystal in members])
            for part, members in held_out.items()
        },
    )


def _sample(
    network: SiteNet,
    features: Sequence[Features],
    crystals: CrystalDataset,
    batches: Batches,
) -> dict[int, Crystal]:
    """Return some training crystals, by their place."""
    places = _some(len(features), sample_size(network.readout.linear.in_features))
    vectors = _vectors(network, batches(_select(crystals, places)))
    values = _values(network, crystals)[places]
    rows = zip(places.tolist(), vectors, values, strict=True)
    return {k: Crystal(features[k], vector, (), own) for k, vector, own in rows}


def _values(network: SiteNet, crystals: CrystalDataset) -> Array:
    """Return what is learnt of targets that are numbers, in units of its spread."""
    y, columns = crystals.y.double(), []
    for t, target in enumerate(network.layout.targets):
        learnt = target.learned(y[:, t]).numpy()
        is_known = np.isfinite(learnt)
        if not target.classes and is_known.any():
            mean, spread = learnt[is_known].mean(), learnt[is_known].std()
            scaled = (learnt - mean) / (spread or 1.0)
            columns.append(np.where(is_known, scaled, np.nan))
    return np.stack(columns, axis=1) if columns else np.empty((len(y), 0))


def _reach(
    network: SiteNet,
    crystals: Mapping[str, CrystalDataset],
    predicted: Mapping[str, Array],
) -> float:
    """Return the largest reach of a target, see :func:`reach_of`."""
    y = {part: crystals[part].y.double().numpy() for part in ("train", *_HELD_OUT)}
    reaches = [1.0]
    for t, target in enumerate(network.layout.targets):
        learnt = y["train"][:, t]
        if target.classes or not np.isfinite(learnt).any():
            continue
        truth = np.concatenate([y[part][:, t] for part in _HELD_OUT])
        answers = [predicted[part][:, target.start] for part in _HELD_OUT]
        errors = np.abs(truth - np.concatenate(answers))
        reaches.append(reach_of(errors, np.abs(truth - np.nanmedian(learnt))))
    return max(reaches)


def _described(
    network: SiteNet,
    crystals: CrystalDataset,
    batches: Iterable[Batch],
    spread: Array | None,
) -> list[Crystal]:
    """Return features, vectors and spreads of crystals."""
    rows = zip(crystals, _vectors(network, batches), strict=True)
    return [
        Crystal(crystal_features(graph), vector, () if spread is None else spread[k])
        for k, (graph, vector) in enumerate(rows)
    ]


def _some(number: int, most: int) -> NDArray[np.int64]:
    """Return evenly spaced places of so many, ``most`` at most."""
    places = np.linspace(0, number - 1, min(most, number))
    return np.unique(places.round().astype(np.int64))


def _select(crystals: CrystalDataset, places: NDArray[np.int64]) -> CrystalDataset:
    return cast("CrystalDataset", crystals.index_select(places.tolist()))


@torch.inference_mode()
def _vectors(network: SiteNet, batches: Iterable[Batch]) -> Array:
    """Return the vectors of crystals, [N, C]."""
    rows = [torch.empty(0, network.readout.linear.in_features)]
    for batch in batches:
        batch.y = None  # doubles, which not all devices have
        rows.append(network.embed(batch.to(network.target_mean.device)).crystals.cpu())
    vectors: Array = torch.cat(rows).double().numpy()
    return vectors
