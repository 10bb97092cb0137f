"""A folder of crystals as a user has it, and a model trained on it by the command."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pyg_sitenet.cli.main import app
from pyg_sitenet.data.records import Record
from pyg_sitenet.data.sources import open_source

SMALL = (
    "data.max_atoms=20",
    "data.workers=1",
    "data.units={gap: eV}",
    "model.heads=2",
    "model.blocks=2",
    "model.site_channels_per_head=8",
    "model.edge_channels_per_head=4",
    "model.attention_hidden=[16]",
    "model.pre_pool=[16]",
    "model.post_pool=[16]",
    "model.embedding_channels=8",
    "training.max_epochs=2",
)
Sitenet = Callable[..., Any]


@pytest.fixture(scope="session")
def sitenet() -> Sitenet:
    """Run the command line with these arguments and return what came of it."""
    return lambda *arguments: CliRunner().invoke(
        app, [str(argument) for argument in arguments]
    )


@pytest.fixture(scope="session")
def crystals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty CIFs of the bundled data and a table of their band gaps."""
    folder = tmp_path_factory.mktemp("crystals")
    with (folder / "gaps.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "gap"])
        for record in itertools.islice(open_source("dielectric", ("band_gap",)), 40):
            assert isinstance(record, Record)
            record.structure.to(str(folder / f"{record.id}.cif"))
            writer.writerow([f"{record.id}.cif", record.targets["band_gap"]])
    return folder


@pytest.fixture(scope="session")
def small() -> list[str]:
    """Options that make a training run short."""
    return [word for setting in SMALL for word in ("--set", setting)]


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep encoded crystals out of the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYG_SITENET_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def run(
    tmp_path_factory: pytest.TempPathFactory,
    sitenet: Sitenet,
    crystals: Path,
    small: list[str],
) -> Path:
    """Run folder of a short training."""
    folder = tmp_path_factory.mktemp("runs") / "gap"
    done = sitenet("train", crystals, "--output", folder, *small)
    assert done.exit_code == 0, done.output
    return folder
