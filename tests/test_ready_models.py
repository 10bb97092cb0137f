"""The models that ship with the package: found by name, small, and as good as said."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from pymatgen.core import Lattice, Structure

from pyg_sitenet.config import dump_config, load_config
from pyg_sitenet.data.batches.splits import make_splits
from pyg_sitenet.data.readers.named.bundled import BUNDLED
from pyg_sitenet.data.readers.named.matbench_tasks import MATBENCH
from pyg_sitenet.data.records import Record
from pyg_sitenet.data.sources import open_source
from pyg_sitenet.errors import ModelFileError
from pyg_sitenet.model_file import find_model_file, read_description
from pyg_sitenet.novelty import RARE
from pyg_sitenet.prediction import Prediction, load_predictor
from pyg_sitenet.ready_models import READY_MODELS

EXAMPLES = Path(__file__).parents[1] / "examples/structures"
NAMES = tuple(READY_MODELS)
FROM_BUNDLED_DATA = [
    name for name in NAMES if read_description(name).config.data.source in BUNDLED
]
# Of rock salt: value and what the prediction may be off by.
ROCK_SALT = {
    # Measured 24.4 and 14.7 GPa, 1.54; 164 (TO) to 264 cm^-1 (LO at the centre).
    "bulk-modulus": (24.0, 8.0),
    "shear-modulus": (15.0, 6.0),
    "refractive-index": (1.54, 0.25),
    "phonon-frequency": (214.0, 70.0),
}


def test_gaps_and_formation_energies_are_among_the_ready_models() -> None:
    assert {"band-gap", "formation-energy"} <= set(NAMES)


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
    with pytest.raises(ModelFileError, match=r"ready model \(band-gap, "):
        find_model_file("band-gaps")


@pytest.mark.parametrize("name", NAMES)
def test_model_is_small(name: str) -> None:
    assert READY_MODELS[name].file.stat().st_size < 3_000_000


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


def test_formation_energies_of_elements_are_zero() -> None:
    """They are so by definition; the bundled data hold silicon of high energy alone."""
    crystals = [bulk(symbol) for symbol in ("Si", "Ge", "Mg", "Al", "Fe", "Cu", "W")]
    table = load_predictor("formation-energy").predict(crystals)
    assert table["formation_energy [eV/atom]"].abs().max() < 0.06
    assert table["novelty"].min() > RARE


# Band gaps of density functional theory (PBE) in the Materials Project, eV.
GAPS = {
    **{"GaAs": 0.19, "MgO": 4.45, "NaCl": 5.0, "Si": 0.61, "SiO2_quartz": 5.7},
    **{"SrTiO3": 1.78, "TiO2_rutile": 1.78, "ZnO": 0.73, "Mg": 0.0, "NiAl": 0.0},
    **{"YBa2Cu3O7": 0.0, "graphite": 0.0},
}
STRAINED = (0.85, 0.9, 1.1, 1.15)  # of the edge of rock salt


def _well_known(name: str) -> Structure:
    if name == "YBa2Cu3O7":
        cell = Lattice.orthorhombic(3.823, 3.887, 11.680)
        species = ["Y", "Ba", "Cu", "Cu", "O", "O", "O", "O"]
        places = [
            *([0.5, 0.5, 0.5], [0.5, 0.5, 0.1843], [0, 0, 0], [0, 0, 0.3556]),
            *([0, 0.5, 0], [0.5, 0, 0.3773], [0, 0.5, 0.3789], [0, 0, 0.1584]),
        ]
        return Structure.from_spacegroup("Pmmm", cell, species, places)
    if name == "diamond":
        return Structure.from_ase_atoms(bulk("C"))
    if name == "graphite":
        cell = Lattice.hexagonal(2.464, 6.711)
        places = [[0, 0, 0.25], [1 / 3, 2 / 3, 0.25]]
        return Structure.from_spacegroup("P6_3/mmc", cell, ["C", "C"], places)
    if name == "NiAl":
        atoms = bulk("NiAl", "cesiumchloride", a=2.887)
        return Structure.from_ase_atoms(atoms)
    if name == "Mg":
        return Structure.from_ase_atoms(bulk("Mg"))
    return Structure.from_file(EXAMPLES / f"{name}.cif")


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_gaps_of_well_known_crystals_are_right() -> None:
    predictor = load_predictor("band-gap", level=0.9)
    records = [Record(name, _well_known(name)) for name in GAPS]
    warned = set()
    for prediction in predictor.predict_records(records):
        assert isinstance(prediction, Prediction)
        assert prediction.uncertainty is not None
        value, known = prediction.values["band_gap"], GAPS[prediction.id]
        if prediction.id != "graphite":  # stackings of it have up to 0.5 eV
            assert value == pytest.approx(known, abs=0.3), prediction.id
        low = prediction.uncertainty.lower["band_gap"]
        high = prediction.uncertainty.upper["band_gap"]
        assert low <= known <= high, prediction.id
        if prediction.novelty is not None and prediction.novelty < RARE:
            assert "unlike the training data" in "; ".join(prediction.warnings)
            warned.add(prediction.id)
    assert not warned & {"GaAs", "MgO", "NaCl", "SrTiO3", "ZnO", "YBa2Cu3O7"}


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_diamond_is_no_graphite() -> None:
    crystals = [_well_known("diamond"), _well_known("graphite")]
    diamond, graphite = load_predictor("band-gap").predict(crystals)["band_gap [eV]"]
    assert diamond == pytest.approx(4.11, abs=0.5)
    assert graphite < 0.6


def test_strained_rock_salt_is_warned_about(nacl: Structure) -> None:
    crystals = [nacl.copy() for _ in STRAINED]
    for crystal, factor in zip(crystals, STRAINED, strict=True):
        crystal.scale_lattice(nacl.volume * factor**3)
    records = [Record(str(k), crystal) for k, crystal in enumerate([nacl, *crystals])]
    usual, *strained = load_predictor("band-gap").predict_records(records)
    assert isinstance(usual, Prediction)
    assert usual.warnings == ()
    words = [text for p in strained for text in p.warnings]
    assert ["shorter" in text for text in words] == [True, True, False, False]
    assert ["longer" in text for text in words] == [False, False, True, True]


def test_gap_of_rock_salt_is_that_of_density_functional_theory(nacl: Structure) -> None:
    [row] = load_predictor("band-gap").predict([nacl]).to_dict("records")
    assert row["band_gap [eV]"] == pytest.approx(5.0, abs=1.0)


@pytest.mark.parametrize("name", sorted(set(ROCK_SALT) & set(NAMES)))
def test_rock_salt_is_about_as_measured(name: str, nacl: Structure) -> None:
    predictor = load_predictor(name)
    value, tolerance = ROCK_SALT[name]
    [predicted] = predictor.predict([nacl])[predictor.columns[0]]
    assert predicted == pytest.approx(value, abs=tolerance)


@pytest.mark.parametrize("name", NAMES)
def test_card_states_what_the_file_says(name: str) -> None:
    text = READY_MODELS[name].card.read_text(encoding="utf-8")
    description = read_description(name)
    target = description.targets[0]
    metrics = description.metrics["targets"][target]
    sizes = description.metrics["num_crystals"]
    assert f"| this model | {metrics['test']['mae']:.3f} " in text
    compared = metrics.get("learnt", metrics)  # of moduli the logarithm
    error = compared["baselines"]["composition"]["test"]["mae"]
    assert f"{error:.{4 if 'learnt' in metrics else 3}f}" in text
    for part in ("train", "val", "test"):
        assert str(sizes[part]) in text
    listed = text.split("## Elements")[1].split("Others")[0].split()
    assert len(listed) == len(description.elements)
    assert re.search(r"## Limits\n\n- \w", text)


@pytest.mark.filterwarnings("ignore::UserWarning")  # elements it has not seen
@pytest.mark.parametrize("name", FROM_BUNDLED_DATA)
def test_test_part_measured_anew_has_the_error_and_coverage_of_the_card(
    name: str,
) -> None:
    description = read_description(name)
    target, data = description.targets[0], description.config.data
    records = list(open_source(data.source, data.targets))
    part = make_splits(data, [""] * len(records))["test"]
    truth = np.array([records[k].targets[target] for k in part])
    predictor = load_predictor(name, level=0.9)
    table = predictor.predict([records[k].structure for k in part])
    value, low, high = (
        table[f"{target}{end} [{description.units[target]}]"].to_numpy()
        for end in ("", " lower", " upper")
    )
    mae = float(np.abs(value - truth).mean())
    _, other = np.array_split(np.random.default_rng(0).permutation(len(truth)), 2)
    held = ((low <= truth) & (truth <= high))[other].mean()
    text = " ".join(READY_MODELS[name].card.read_text(encoding="utf-8").split())
    stated = re.search(r"this model \| (\d\.\d{3}) ", text)
    assert stated is not None
    assert mae == pytest.approx(float(stated[1]), abs=0.00051)
    stated = re.search(r"those of 90 % hold (\d+\.\d)% of", text)
    assert stated is not None
    assert 100 * held == pytest.approx(float(stated[1]), abs=0.051)


@pytest.mark.parametrize("name", NAMES)
def test_file_of_a_model_holds_the_settings_to_make_it_anew(
    name: str, tmp_path: Path
) -> None:
    config = read_description(name).config
    (tmp_path / "config.yaml").write_text(dump_config(config), encoding="utf-8")
    assert load_config(tmp_path / "config.yaml") == config
    # Data that everybody can get, and nothing of the machine it was made on.
    assert config.data.source in {*BUNDLED, *MATBENCH}
    assert config.training.initial_model is None


@pytest.mark.parametrize("name", NAMES)
def test_model_gives_calibrated_intervals(name: str) -> None:
    calibration = read_description(name).calibration
    assert calibration is not None
    [target] = calibration.scores
    widths = [calibration.half_widths(target, x) for x in (0.5, 0.9, 0.99)]
    halves = [width.together for width in widths]
    assert 0 < halves[0] < halves[1] < halves[2] < math.inf
    assert all(np.isfinite(width.bounds).all() for width in widths)


@pytest.mark.parametrize("name", READY_MODELS)
def test_members_that_disagree_make_a_crystal_unlike_others(name: str) -> None:
    description = read_description(name)
    assert description.novelty is not None
    has_spread = len(description.novelty.spreads) == len(description.targets)
    assert has_spread == (description.members > 1)
    assert ("spread" in description.novelty.limits) == has_spread


def test_interval_of_an_atom_alone_in_a_box_is_that_of_knowing_nothing() -> None:
    predictor = load_predictor("band-gap", level=0.9)
    low, high = predictor.description.target_ranges["band_gap"]
    alone = Structure(Lattice.cubic(40.0), ["Ar"], [[0, 0, 0]])
    (result,) = predictor.predict_records([Record("Ar", alone)])
    assert isinstance(result, Prediction)
    assert result.uncertainty is not None
    value, upper = result.values["band_gap"], result.uncertainty.upper["band_gap"]
    assert low <= value <= high
    assert upper - value == pytest.approx(high - low)
    assert "unlike the training data" in "; ".join(result.warnings)
