"""Trainings, predictions and analyses on a device that is not the CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_device import NAME
from pymatgen.core import Structure
from simulation import DEVICE, Simulation
from torch.testing import assert_close

from pyg_sitenet.analysis.convergence.measurement import measure_convergence
from pyg_sitenet.analysis.crystal.examination import examine_crystal
from pyg_sitenet.analysis.survey import survey
from pyg_sitenet.analysis.vector_file import write_embeddings
from pyg_sitenet.config import override
from pyg_sitenet.data.records import Record
from pyg_sitenet.data.sources import open_source
from pyg_sitenet.prediction import Predictor, load_predictor
from pyg_sitenet.training import train

WAITS = 1
"""Of the host in a step: a number that may only fall."""


def test_step_waits_no_more_than_it_must(trained) -> None:
    assert len(trained.steps) >= 4
    worst = max(trained.steps, key=lambda counts: counts.num_waits)
    assert worst.num_waits <= WAITS, "\n".join(map(str, worst.waits.items()))


def test_run_goes_on_where_it_ended(trained, cache: Path) -> None:
    config = override(trained.config, ["training.max_epochs=3"])
    before = trained.result.metrics["history"]
    again = train(config, trained.folder, cache=cache, accelerator=NAME, resume=True)
    assert again.metrics["epochs"] == 3
    assert again.metrics["history"][:2] == before


@pytest.fixture
def predictors(trained) -> tuple[Predictor, Predictor]:
    """The trained model on the device and on the CPU."""
    return load_predictor(trained.folder, DEVICE), load_predictor(trained.folder)


def test_predictions_are_those_of_the_cpu(
    predictors: tuple[Predictor, Predictor], bundled_records: list[Record]
) -> None:
    values = [
        [list(p.values.values()) for p in predictor.predict_records(bundled_records)]
        for predictor in predictors
    ]
    np.testing.assert_allclose(*values, rtol=1e-5, atol=1e-5)


def test_crystal_is_examined_as_on_the_cpu(
    predictors: tuple[Predictor, Predictor], rutile: Structure
) -> None:
    ours, expected = (examine_crystal(p, rutile) for p in predictors)
    for name in ("pairs", "sites"):
        numbers, wanted = (
            getattr(e, name).select_dtypes("number").to_numpy()
            for e in (ours, expected)
        )
        np.testing.assert_allclose(numbers, wanted, rtol=1e-3, atol=1e-4)


def test_survey_embedding_and_convergence_are_those_of_the_cpu(
    predictors: tuple[Predictor, Predictor], trained, tmp_path: Path
) -> None:
    source = open_source(trained.config.data.source, ("band_gap",))
    tables = []
    for predictor in predictors:
        path = tmp_path / f"{predictor.device.type}.npz"
        write_embeddings(predictor, list(source.entries())[:4], path)
        with np.load(path) as vectors:
            arrays = [vectors[name] for name in ("crystals", "sites", "predictions")]
        entries = list(source.entries())[:3]
        crystals = survey(predictor, entries, ("band_gap",)).crystals
        steps = measure_convergence(predictor, entries[:1], limits=(10, 20)).steps
        numbers = [t.select_dtypes("number").to_numpy() for t in (crystals, steps)]
        tables.append([*arrays, *numbers])
    for ours, expected in zip(*tables, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.usefixtures("simulation")
def test_device_refuses_what_a_gpu_refuses() -> None:
    there, here = torch.ones(3).to(DEVICE), torch.ones(3)
    assert (there.device, there.cpu().device) == (DEVICE, here.device)
    with pytest.raises(RuntimeError, match=r"same device: add at .*test_on_device"):
        there + here
    with pytest.raises(TypeError, match="goes to NumPy"):
        np.asarray(there)
    with pytest.raises(TypeError, match="has no float64"):
        there.double()


def test_device_counts_kernels_bytes_and_waits(simulation: Simulation) -> None:
    x = torch.ones(4, 4).to(DEVICE, non_blocking=True)
    with simulation.counting() as counts:
        y = (x @ x).t().contiguous()
        assert_close(y[y > 3].sum().item(), 64.0)
    assert counts.kernels == {"mm": 1, "clone": 1, "gt": 1, "index": 1, "sum": 1}
    assert counts.bytes == 3 * 64 + 2 * 64 + (64 + 16) + (64 + 16 + 64) + (64 + 4)
    waits = sorted(wait.partition(" at ")[0] for wait in counts.waits)
    assert waits == ["_local_scalar_dense", "index"]
