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
    Features,
    Novelty,
    NoveltyMeasure,
    crystal_features,
    fit_novelty,
    sample_size,
    widening,
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
    model: SiteNet | SiteNetEnsemble, data: CrystalDataModule
) -> NoveltyOutcome:
    """Compare the held-out crystals of a run with those that were trained on.

    Args:
        model: With its weights, where it computes. Of an ensemble the vectors are those
            of the first network.
        data: The crystals, split.
    """
    network = networks_of(model)[0]
    size = sample_size(network.readout.linear.in_features)
    training = (crystal_features(graph) for graph in data.part("train"))
    vectors = _vectors(network, data, _some(data.splits["train"], size))
    held_out = {part: _crystals(network, data, part) for part in _HELD_OUT}
    everything = [crystal for crystals in held_out.values() for crystal in crystals]
    record = fit_novelty(training, vectors, everything)
    if record is None:
        return NoveltyOutcome()
    measure = NoveltyMeasure(record)
    return NoveltyOutcome(
        record,
        {
            part: np.array([widening(measure.size(*crystal)) for crystal in crystals])
            for part, crystals in held_out.items()
        },
    )


def _crystals(
    network: SiteNet, data: CrystalDataModule, part: str
) -> list[tuple[Features, Array]]:
    """Return crystals of a part: those whose intervals are measured, or a sample."""
    graphs, has_intervals = data.splits[part], len(data.splits["calibration"]) > 0
    if part == "val" or not has_intervals:
        graphs = _some(graphs, _MOST)
    features = (crystal_features(data.dataset[int(k)]) for k in graphs)
    return list(zip(features, _vectors(network, data, graphs), strict=True))


def _some(crystals: Indices, most: int) -> Indices:
    """Return evenly spaced crystals, so many at most."""
    places = np.linspace(0, len(crystals) - 1, min(most, len(crystals)))
    return crystals[np.unique(places.round().astype(np.int64))]


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
