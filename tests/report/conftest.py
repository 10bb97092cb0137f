"""A small untrained model, its analysis of four crystals, and the page of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from pymatgen.core import Lattice, Structure

from pyg_sitenet.analysis.analyze import Analysis
from pyg_sitenet.analysis.survey import survey
from pyg_sitenet.config import load_preset, override
from pyg_sitenet.data.readers.entry import Entry
from pyg_sitenet.data.records import Failure
from pyg_sitenet.model_file import ModelDescription
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.prediction import Predictor

SMALL = (
    "data.max_atoms=30",
    "model.heads=2",
    "model.blocks=2",
    "model.site_channels_per_head=8",
    "model.edge_channels_per_head=4",
    "model.attention_hidden=[16]",
    "model.pre_pool=[16]",
    "model.post_pool=[16]",
    "model.embedding_channels=8",
)
SCORES = {"mae": 0.125, "rmse": 0.25, "r2": 0.5}
METRICS = {
    "targets": {
        "gap": {
            "unit": "eV",
            "test": SCORES,
            "baselines": {"mean": {"test": SCORES | {"mae": 0.875}}},
        }
    }
}
# What a user's files might carry, on purpose or not.
HOSTILE = '</script><img src=x onerror="window.hacked=1"><b>\'&amp;'

MakePredictor = Callable[..., Predictor]


def _make(*settings: str, target: str = "gap", unit: str = "eV") -> Predictor:
    config = override(load_preset("default"), [*SMALL, *settings])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = SiteNet(config.model).double()
    description = ModelDescription(
        config=config, targets=(target,), units={target: unit}, metrics=METRICS
    )
    return Predictor(model, description)


@pytest.fixture(scope="session")
def make_predictor() -> MakePredictor:
    """Make the small model with further settings."""
    return _make


@pytest.fixture
def crystals(
    nacl: Structure, rutile: Structure, quartz: Structure, triclinic: Structure
) -> dict[str, Structure]:
    """Four crystals by name."""
    return {"salt": nacl, "rutile": rutile, "quartz": quartz, "kyanite": triclinic}


@pytest.fixture
def hostile_entries(crystals: dict[str, Structure]) -> list[Entry | Failure]:
    """Crystals whose names and targets carry HTML, and one that cannot be read."""
    entries: list[Entry | Failure] = [
        Entry(f"{name}{HOSTILE}", "table.csv", crystal, {HOSTILE: 9.0 - number})
        for number, (name, crystal) in enumerate(crystals.items())
    ]
    failure = Failure(HOSTILE, f"broken{HOSTILE}", "read", f"why{HOSTILE}", HOSTILE)
    return [*entries, failure]


@pytest.fixture(scope="session")
def made_entries() -> list[Entry]:
    """Crystals with made band gaps; quartz's is the farthest from any prediction."""
    salt = Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(5.6402), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]
    )
    caesium = Structure(
        Lattice.cubic(4.123), ["Cs", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]
    )
    quartz = Structure.from_spacegroup(
        "P3_221",
        Lattice.hexagonal(4.9134, 5.4052),
        ["Si", "O"],
        [[0.4697, 0, 2 / 3], [0.4135, 0.2669, 0.7858]],
    )
    crystals = {"salt": salt, "caesium": caesium, "quartz": quartz}
    return [
        Entry(name, f"{name}.cif", crystal, {"gap": 10.0**number})
        for number, (name, crystal) in enumerate(crystals.items())
    ]


def _survey(predictor: Predictor, entries: Sequence[Entry | Failure]) -> Analysis:
    """Everything that a report needs of an analysis, without its figures."""
    truths = [
        item for item in predictor.description.targets if item in entries[0].targets
    ]
    metrics = {name: {"unit": "eV", "mae": 1.5, "rmse": 2.5, "r2": 0.0}
               for name in truths}  # fmt: skip
    result = survey(predictor, entries, truths, workers=1)
    return Analysis(Path(), result, metrics, notes=["a note"])


@pytest.fixture(scope="session")
def analyse() -> Callable[..., Analysis]:
    """Survey crystals with a model."""
    return _survey


@pytest.fixture(scope="session")
def analysis(made_entries: list[Entry]) -> Analysis:
    """Of the crystals with known values."""
    return _survey(_make(), made_entries)
