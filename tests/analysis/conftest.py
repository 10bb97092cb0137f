"""A small trained-looking model, and crystals with made targets."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from matplotlib.figure import Figure
from pymatgen.core import Structure

from pyg_sitenet.config import load_preset, override
from pyg_sitenet.data.readers.entry import Entry
from pyg_sitenet.model_file import ModelDescription
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.prediction import Predictor

SMALL = (
    "data.max_atoms=20",
    "model.blocks=2",
    "model.heads=2",
    "model.pooling=mean",  # the largest of equal sites has no derivative
    "model.site_channels_per_head=8",
    "model.edge_channels_per_head=4",
    "model.attention_hidden=[16]",
    "model.pre_pool=[16]",
    "model.post_pool=[16]",
    "model.embedding_channels=8",
)


MakePredictor = Callable[..., Predictor]


def _make(*settings: str, preset: str = "default") -> Predictor:
    """An untrained small model in double precision, from a fixed seed."""
    config = override(load_preset(preset), [*SMALL, *settings])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = SiteNet(config.model).double()
    description = ModelDescription(
        config=config, targets=("gap",), units={"gap": "eV"}, elements=(8, 11, 17, 22)
    )
    return Predictor(model, description)


@pytest.fixture
def make_predictor() -> MakePredictor:
    return _make


@pytest.fixture
def predictor() -> Predictor:
    return _make()


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Keep figures instead of writing them."""
    figures: list[Figure] = []
    monkeypatch.setattr(
        Figure, "savefig", lambda figure, *_, **__: figures.append(figure)
    )
    return figures


@pytest.fixture
def entries(
    nacl: Structure, rutile: Structure, quartz: Structure, triclinic: Structure
) -> list[Entry]:
    """Four crystals with made band gaps."""
    crystals = {"salt": nacl, "rutile": rutile, "quartz": quartz, "kyanite": triclinic}
    return [
        Entry(name, f"{name}.cif", crystal, {"gap": float(number)})
        for number, (name, crystal) in enumerate(crystals.items())
    ]
