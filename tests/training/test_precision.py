"""Targets of which single precision sees nothing but their first digits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from pyg_sitenet.config import Config, override
from pyg_sitenet.errors import ConfigError
from pyg_sitenet.evaluation import evaluate
from pyg_sitenet.model_file import load_network
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.training import train

# Of an all-electron program, in eV: the gaps of the bundled data are 0 to 10 eV.
START, SHARE = -1047520.04, 0.003


@pytest.fixture
def energies(make_source: Callable[[int], Path]) -> Path:
    """Crystals whose energies differ by some meV and lie at a million eV."""
    source = make_source(24)
    table = pd.read_csv(source / "table.csv")
    table["energy [eV]"] = START + SHARE * table.pop("band_gap")
    table.to_csv(source / "table.csv", index=False)
    return source


@pytest.fixture
def settings(config: Config, energies: Path) -> Config:
    changes = ["data.targets=[energy]", "data.units={}", "training.max_epochs=2"]
    return override(config, [f"data.source={energies}", *changes])


def test_total_energies_keep_their_digits(
    settings: Config, energies: Path, cache: Path, tmp_path: Path
) -> None:
    run = train(settings, tmp_path / "run", cache=cache)
    stated = pd.read_csv(energies / "table.csv", dtype={"file": str})
    energy_of = dict(zip(stated["file"], stated["energy [eV]"], strict=True))
    rows = pd.read_csv(run.folder / "predictions.csv")
    expected = [energy_of[f"{id_}.cif"] for id_ in rows["id"]]
    assert rows["energy [eV]"].tolist() == expected
    answers = rows["predicted energy [eV]"].to_numpy()
    assert len(np.unique(answers)) == len(answers)
    assert np.abs(answers - START).max() < 0.1  # single precision knows steps of 0.06
    network, _ = load_network(run.folder)
    assert network.target_mean.dtype == torch.float64
    error = np.abs(answers - np.array(expected)).mean()
    assert run.metrics["targets"]["energy"]["test"]["mae"] == pytest.approx(error)
    result = evaluate(run.folder, str(energies)).metrics["energy"]
    assert result["mae"] < 2 * np.std(stated["energy [eV]"])


def test_total_energies_that_would_be_rounded_are_refused(
    settings: Config, cache: Path, tmp_path: Path
) -> None:
    plain = override(settings, ["training.standardize_target=false"])
    message = (
        r"'energy' lie about -104752\d and differ by 0\.\d+, which single .* =true"
    )
    with pytest.raises(ConfigError, match=message.replace(" =", ".*=")):
        train(plain, tmp_path / "run", cache=cache)


def test_network_takes_the_precision_of_the_scaling_that_it_loads() -> None:
    torch.manual_seed(0)
    first, second = SiteNet(), SiteNet()
    first.widen_scaling()
    first.set_target_scaling(
        torch.tensor([START], dtype=torch.float64), torch.tensor([SHARE])
    )
    second.load_state_dict(first.state_dict())
    assert second.target_mean.item() == START
    assert second.readout.linear.weight.dtype == torch.float32
