"""What a network says of crystals like and unlike those that it was trained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch_geometric.data import Data

from pyg_sitenet.data.batches.datamodule import CrystalDataModule
from pyg_sitenet.model_file import ModelDescription, load_model
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.novelty import (
    RARE,
    Crystal,
    Novelty,
    NoveltyMeasure,
    crystal_features,
)
from pyg_sitenet.prediction.out_of_domain import OutOfDomain
from pyg_sitenet.training.loading import load_data
from pyg_sitenet.training.loop.devices import Devices
from pyg_sitenet.training.outcome.novelty_record import measure_novelty
from pyg_sitenet.uncertainty import Calibration, calibrate

Array = NDArray[np.float64]
Parts = dict[str, list[str]]

LEVEL = 0.9
TESTED = {"ordinary": "test", "left out": "left out"}
Row = dict[str, object]


def measure(folder: Path, parts: Parts) -> Iterator[Row]:
    """Yield a row for each tested crystal of a finished run.

    The novelty is learnt anew from the training and calibration crystals.
    """
    model, description = load_model(folder)
    if not isinstance(model, SiteNet):
        raise SystemExit(f"{folder}: expected a single network, got an ensemble")
    learnt = {part: parts[part] for part in ("train", "val", "calibration")}
    data = _load(description, learnt | {"test": []})
    truth, predicted, _ = answers(model, data, "calibration")
    none = np.empty((0, 1))
    held_out = {"val": none, "calibration": predicted[:, None], "test": none}
    crystals = {part: data.part(part) for part in data.splits}
    outcome = measure_novelty(model, crystals, data.ordered_batches, held_out)
    if outcome.record is None:
        raise SystemExit(f"{folder}: too few crystals to calibrate")
    name = description.targets[0]
    truths, answered = {name: truth}, {name: predicted}
    wider = outcome.widening["calibration"]
    calibrations = (
        calibrate(truths, answered),
        calibrate(truths, answered, widening=wider),
    )
    for part, source in TESTED.items():
        tested = _load(description, learnt | {"test": parts[source]})
        yield from _rows(part, model, tested, description, outcome.record, calibrations)


def _rows(
    part: str,
    model: SiteNet,
    data: CrystalDataModule,
    description: ModelDescription,
    record: Novelty,
    calibrations: tuple[Calibration, Calibration],
) -> Iterator[Row]:
    name = description.targets[0]
    plain = OutOfDomain(description.model_copy(update={"novelty": None}))
    checks = OutOfDomain(description.model_copy(update={"novelty": record}))
    measure = NoveltyMeasure(record)
    values = description.target_ranges.get(name)
    widths = [own.half_widths(name, LEVEL, values) for own in calibrations]
    crystals = data.part("test")
    columns = zip(crystals, *answers(model, data, "test"), strict=True)
    for graph, truth, predicted, vector in columns:
        result = measure.compare(Crystal(crystal_features(graph), vector))
        novelty = measure.of(result.size)
        value = {name: float(predicted)}
        before = widths[0].together  # a bound for all, plain split-conformal
        after = widths[1].of(predicted, widening=result.widening)
        yield {
            "part": part,
            "id": graph.id,
            "truth": f"{truth:.6g}",
            "predicted": f"{predicted:.6g}",
            "size": f"{result.size:.4g}",
            "novelty": f"{novelty:.4g}",
            "before_half": f"{before:.4g}",
            "after_half": f"{after:.4g}",
            "before_warned": int(_warns(plain, graph, value)),
            "after_warned": int(novelty < RARE or _warns(checks, graph, value)),
        }


def _warns(checks: OutOfDomain, graph: Data, value: dict[str, float]) -> bool:
    return bool(checks.of_crystal(graph) or checks.of_values(value))


@torch.inference_mode()
def answers(
    model: SiteNet, data: CrystalDataModule, part: str
) -> tuple[Array, Array, Array]:
    """Return known values, predictions and vectors of a part, [N], [N] and [N, C]."""
    predicted, vectors = [torch.empty(0)], []
    for batch in data.ordered_dataloader(part):
        batch.y = None
        predicted.append(model(batch)[:, 0])
        vectors.append(model.embed(batch).crystals)
    truth = data.part(part).y[:, 0].double().numpy()
    width = model.readout.linear.in_features
    rows = torch.cat([torch.empty(0, width), *vectors])
    return truth, torch.cat(predicted).double().numpy(), rows.double().numpy()


def _load(
    description: ModelDescription, splits: dict[str, Sequence[str]]
) -> CrystalDataModule:
    return load_data(description.config, None, splits, Devices(), progress=False)
