"""The models that ship with the package: found by name, small, and as good as said."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pymatgen.core import Structure

from pyg_sitenet.errors import ModelFileError
from pyg_sitenet.model_file import find_model_file, read_description
from pyg_sitenet.prediction import load_predictor
from pyg_sitenet.ready_models import READY_MODELS

NAMES = ("band-gap", "formation-energy")


def test_both_models_ship() -> None:
    assert tuple(READY_MODELS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_name_means_the_file_unless_there_is_one(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_model_file(name) == READY_MODELS[name].file
    (tmp_path / name).mkdir()
    (tmp_path / name / "model.safetensors").write_bytes(b"")
    assert find_model_file(name) == Path(name) / "model.safetensors"


def test_other_name_lists_the_ready_ones() -> None:
    with pytest.raises(ModelFileError, match=r"ready model \(band-gap, formation-ener"):
        find_model_file("band-gaps")


@pytest.mark.parametrize("name", NAMES)
def test_model_is_small(name: str) -> None:
    assert READY_MODELS[name].file.stat().st_size < 650_000


def test_formation_energy_of_rock_salt_is_that_of_the_literature(
    nacl: Structure,
) -> None:
    predictor = load_predictor("formation-energy", level=0.9)
    [row] = predictor.predict([nacl]).to_dict("records")
    # -411.1 kJ/mol (NIST) are -2.13 eV per atom.
    value = row["formation_energy [eV/atom]"]
    assert value == pytest.approx(-2.13, abs=0.25)
    assert row["formation_energy lower [eV/atom]"] < value
    assert row["formation_energy upper [eV/atom]"] > value


def test_gap_of_rock_salt_is_that_of_density_functional_theory(nacl: Structure) -> None:
    [row] = load_predictor("band-gap").predict([nacl]).to_dict("records")
    assert row["band_gap [eV]"] == pytest.approx(5.0, abs=1.0)


@pytest.mark.parametrize("name", NAMES)
def test_card_states_what_the_file_says(name: str) -> None:
    text = READY_MODELS[name].card.read_text(encoding="utf-8")
    description = read_description(name)
    target = description.targets[0]
    found = description.metrics["targets"][target]
    sizes = description.metrics["num_crystals"]
    assert f"| this model | {found['test']['mae']:.3f} " in text
    assert f"{found['baselines']['composition']['test']['mae']:.3f}" in text
    for part in ("train", "val", "test"):
        assert str(sizes[part]) in text
    listed = text.split("## Elements")[1].split("Others")[0].split()
    assert len(listed) == len(description.elements)
    assert re.search(r"## Limits\n\n- \w", text)


@pytest.mark.parametrize("name", NAMES)
def test_model_gives_calibrated_intervals(name: str) -> None:
    calibration = read_description(name).calibration
    assert calibration is not None
    [scores] = calibration.scores.values()
    assert len(scores) >= 99  # enough for 99 %
