"""Analysis of a model of classes: its outputs are the probabilities."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from pymatgen.core import Structure
from typer.testing import CliRunner

from pyg_sitenet.cli.main import app
from pyg_sitenet.config import Config, override
from pyg_sitenet.model_file import ModelDescription, save_model
from pyg_sitenet.nn import SiteNet

SMALL = (
    "data.max_atoms=20",
    "data.targets=[kind, gap]",
    "data.classes={kind: [a, b, c]}",
    "model.heads=1",
    "model.blocks=1",
    "model.site_channels_per_head=8",
    "model.edge_channels_per_head=4",
    "model.post_pool=[8]",
)
NAMES = ["kind p(a)", "kind p(b)", "kind p(c)"]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    config = override(Config(), SMALL)
    description = ModelDescription(config=config, targets=("kind", "gap"))
    path = tmp_path / "model.safetensors"
    save_model(path, SiteNet(config.model, layout=description.layout), description)
    return path


@pytest.fixture
def table(
    tmp_path: Path, nacl: Structure, silicon: Structure, rutile: Structure
) -> Path:
    path = tmp_path / "table.json"
    rows = [
        {"id": name, "structure": item.as_dict(), "kind": kind, "gap": gap}
        for name, item, kind, gap in (
            ("nacl", nacl, "b", 5.0),
            ("si", silicon, "", 1.1),
            ("tio2", rutile, "a", 3.0),
        )
    ]
    path.write_text(json.dumps(rows))
    return path


def _run(*arguments: object) -> None:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output


def test_analysis_compares_probabilities_with_the_true_class(
    model: Path, table: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "analysis"
    _run("analyze", model, table, "-o", folder, "--workers", 1, "--crystal", "nacl")
    rows = pd.read_csv(folder / "crystals.csv").set_index("id")
    assert rows.loc["nacl", NAMES].tolist() == [0, 1, 0]
    assert rows.loc["tio2", NAMES].tolist() == [1, 0, 0]
    assert rows.loc["si", NAMES].isna().all()
    predicted = rows[[f"predicted {name}" for name in NAMES]].to_numpy(float)
    assert predicted.sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    assert (folder / "report.html").is_file()
    sites = next((folder / "crystals").rglob("*sites.csv"))
    columns = [f"integrated gradient of {name}" for name in NAMES]
    # What raises one probability lowers the others.
    added = pd.read_csv(sites)[columns].to_numpy()
    assert np.abs(added.sum(axis=1)).max() < 1e-5 + 1e-3 * np.abs(added).max()


def test_embedding_and_convergence_name_probabilities(
    model: Path, table: Path, tmp_path: Path
) -> None:
    _run("embed", model, table, "--output", tmp_path / "vectors.npz")
    with np.load(tmp_path / "vectors.npz") as outcome:
        assert outcome["targets"].tolist() == [*NAMES, "gap"]
        assert outcome["predictions"].shape == (3, 4)
    folder = tmp_path / "convergence"
    _run("converge", model, table, "--atoms", "10,20", "-o", folder)
    steps = pd.read_csv(folder / "steps.csv")
    assert {"kind p(b)", "change of kind p(b)", "known kind p(b)"} <= {*steps.columns}
