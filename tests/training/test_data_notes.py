"""What the data hide is told before the training."""

from __future__ import annotations

import csv
import logging
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from pymatgen.core import Structure

from pyg_sitenet.config import Config, DataConfig, override
from pyg_sitenet.data.records import Record
from pyg_sitenet.data.sources import open_source
from pyg_sitenet.model_file import ModelDescription, save_model
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.training import RunResult, train
from pyg_sitenet.training.data_notes import data_notes
from pyg_sitenet.training.loading import complete, load_data
from pyg_sitenet.training.loop.devices import Devices
from pyg_sitenet.training.value_notes import value_notes

Notes = Callable[..., list[str]]


def _write(
    folder: Path, crystals: dict[str, Structure], **columns: Sequence[object]
) -> Path:
    folder.mkdir()
    with (folder / "table.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", *columns])
        writer.writerows(zip(crystals, *columns.values(), strict=True))
    for name, structure in crystals.items():
        structure.to(filename=str(folder / f"{name}.cif"))
    return folder


@pytest.fixture
def notes_of(config: Config, cache: Path) -> Notes:
    def notes_of(source: Path, *settings: str) -> list[str]:
        changes = [f"data.source={source}", "data.targets=[gap]", "data.units={}"]
        chosen = complete(override(config, [*changes, *settings]))
        data = load_data(chosen, cache, None, Devices(), progress=False)
        return data_notes(chosen, data, is_drawn=True)

    return notes_of


@pytest.fixture
def crystals(bundled_records: list[Record]) -> dict[str, Structure]:
    return {record.id: record.structure for record in bundled_records[:8]}


def _another_cell(structure: Structure) -> Structure:
    copy = structure.copy()
    copy.make_supercell([[1, 1, 0], [0, 1, 0], [0, 0, 2]])
    return copy.translate_sites(range(len(copy)), [0.13, 0.2, 0.3])


def _moved(structure: Structure) -> Structure:
    copy = structure.copy()
    return copy.translate_sites([0], [0.15, 0, 0], frac_coords=False)


def test_equal_crystals_under_other_ids_are_told(
    notes_of: Notes, crystals: dict[str, Structure], tmp_path: Path
) -> None:
    names = list(crystals)
    more = {f"{name}-copy": _another_cell(crystals[name]) for name in names}
    gaps = [*range(8), *range(7), 9.5]
    source = _write(tmp_path / "s", crystals | more, gap=gaps)
    line, leak = notes_of(source, "data.split_seed=1")
    assert line.startswith(
        f"16 crystals are equal to others under other ids (8 different ones, such as"
        f" {names[0]}, {names[0]}-copy); "
    )
    assert " of them are in several parts of the data; 2 have contradictory" in line
    assert (
        "values of gap (up to 2.5 apart); keep one of each, or keep them in one part"
        in line
    )
    assert line.endswith("with data.split=composition")
    assert "test crystals is also in the training part" in leak


def test_other_crystals_of_a_formula_are_not_equal_but_leak(
    notes_of: Notes, crystals: dict[str, Structure], tmp_path: Path
) -> None:
    more = {f"{name}-moved": _moved(s) for name, s in crystals.items()}
    source = _write(tmp_path / "s", crystals | more, gap=range(16))
    split = ("data.split_seed=1", "data.primitive_tolerance=0.01")
    (line,) = notes_of(source, *split)
    number, _, rest = line.removeprefix("the formula of ").partition(" of 3 test")
    assert 1 <= int(number) <= 3
    assert rest.endswith("data.split=composition keeps each formula in one part")
    assert notes_of(source, *split, "data.split=composition") == []


def test_columns_that_are_not_used_and_targets_that_hardly_vary_are_told(
    notes_of: Notes, crystals: dict[str, Structure], tmp_path: Path
) -> None:
    extra = {"prototype": ["a", "b"] * 4, "density": range(8)}
    source = _write(tmp_path / "s", crystals, gap=[1.5] * 8, **extra)
    assert notes_of(source) == [
        "columns that are not used: density, prototype",
        "gap: is 1.5 for all 5 training crystals, so that there is nothing to learn"
        " about it",
    ]
    close = [1000 + 1e-6 * k for k in range(8)]
    (line,) = notes_of(_write(tmp_path / "t", crystals, gap=close))
    assert line.startswith("gap: differs only from the seventh digit on, 1000")


def test_classes_that_a_part_lacks_are_told(
    notes_of: Notes, crystals: dict[str, Structure], tmp_path: Path
) -> None:
    source = _write(tmp_path / "s", crystals, gap=["yes", *["no"] * 7])
    notes = notes_of(source, "data.classes={gap: [no, yes]}")
    assert (
        "gap: no crystal of 'yes' (1 in all) in the test part, where the" in notes[-1]
    )
    assert notes[-1].endswith("scores are null")


def test_run_logs_the_notes_and_keeps_them(
    config: Config,
    cache: Path,
    crystals: dict[str, Structure],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = _write(tmp_path / "s", crystals, gap=[1.5] * 8)
    changes = [f"data.source={source}", "data.targets=[gap]", "training.max_epochs=1"]
    run = train(override(config, changes), tmp_path / "run", cache=cache)
    text = (run.folder / "notes.txt").read_text()
    assert text.startswith("gap: is 1.5 for all 5 training crystals")
    assert text.splitlines() == run.metrics["data_notes"]
    warned = [r.message for r in caplog.records if r.levelno == logging.WARNING]
    assert text.splitlines()[0] in warned
    null = "gap: R2 of the test part is null, since its known values are all alike"
    assert null in run.metrics["notes"]
    assert run.metrics["targets"]["gap"]["test"]["r2"] is None


def test_unit_of_what_is_no_target_is_told(
    tmp_path: Path, crystals: dict[str, Structure], notes_of: Notes
) -> None:
    source = _write(tmp_path / "data", crystals, gap=range(8))
    line = "data.units names 'Gap', which is no target (gap)"
    assert line in notes_of(source, "data.units={Gap: eV}")
    assert not any("data.units" in note for note in notes_of(source))


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_warm_up_of_the_whole_training_is_told(
    tmp_path: Path, crystals: dict[str, Structure], notes_of: Notes, schedule: str
) -> None:
    source = _write(tmp_path / "data", crystals, gap=range(8))

    def notes(warmup: int, schedule: str) -> list[str]:
        training = {"max_epochs": 3, "warmup_epochs": warmup, "schedule": schedule}
        changes = [f"training.{name}={value}" for name, value in training.items()]
        return [note for note in notes_of(source, *changes) if "warmup" in note]

    line = "training.warmup_epochs=3 is not shorter than the training"
    assert [note.startswith(line) for note in notes(3, schedule)] == [True]
    assert notes(2, schedule) == []
    assert notes(3, "one_cycle") == []


def test_held_out_crystals_that_the_initial_model_has_learnt_are_told(
    run: RunResult, config: Config, notes_of: Notes
) -> None:
    """Of another split; those of its own are new, as other values under the ids are."""
    own = [f"training.initial_model={run.folder}", "data.targets=[band_gap]"]

    def notes(*settings: str) -> list[str]:
        lines = notes_of(Path(config.data.source), *own, *settings)
        return [line for line in lines if "the training begins with" in line]

    assert notes() == []
    (line,) = notes("data.split_seed=1")
    shared = "was trained on ([0-9]+) of ([0-9]+) test crystals, to judge by their ids"
    match = re.search(shared, line)
    assert match is not None
    learnt, tested = map(int, match.groups())
    with (run.folder / "crystals.csv").open(newline="") as file:
        parts = {row["id"]: row["part"] for row in csv.DictReader(file)}
    assert 0 < learnt <= tested < len(parts)
    assert notes("data.split_seed=1", "data.targets=[refractive_index]") == []


def test_initial_model_that_does_not_tell_its_crystals(
    run: RunResult, config: Config, notes_of: Notes, tmp_path: Path
) -> None:
    copy = tmp_path / "model.safetensors"
    shutil.copy(run.folder / "model.safetensors", copy)
    own = [f"training.initial_model={copy}", "data.targets=[band_gap]"]
    lines = notes_of(Path(config.data.source), *own)
    assert any("does not tell its training crystals" in line for line in lines)


def test_frames_of_a_simulation_are_not_equal(notes_of: Notes, tmp_path: Path) -> None:
    """They have one volume, and the atoms of a salt have moved to all sides alike."""
    salt = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    frames = {}
    for seed in range(12):
        frame = salt.copy()
        frame.rattle(0.02, seed=seed)
        frames[f"f{seed}"] = Structure.from_ase_atoms(frame)
    frames |= {"copy": _another_cell(frames["f3"])}
    lines = notes_of(_write(tmp_path / "s", frames, gap=range(13)))
    (line,) = [line for line in lines if "are equal to others" in line]
    assert line.startswith(
        "2 crystals are equal to others under other ids (1 different"
    )
    assert "such as f3, copy)" in line


def test_column_that_tables_have_themselves_is_told(
    notes_of: Notes, crystals: dict[str, Structure], tmp_path: Path
) -> None:
    source = _write(tmp_path / "s", crystals, novelty=range(8))
    (line,) = notes_of(source, "data.targets=[novelty]")
    assert line == (
        "novelty: tables have a column 'novelty' of their own, so that the target is"
        " called 'novelty (target)' in them"
    )


@pytest.mark.parametrize(
    ("gaps", "expected"),
    [
        (
            [1, 2, 3, 1.5, -9999, 2.5, -9999, 1],
            "gap: 2 crystals are far from all others (-9999; the median is 1.25)",
        ),
        (
            [1, 2, 3, 1.5, 1e4, 2.5, 0.5, 1],
            "gap: 1 crystal is far from all others (10000; the median is 1.75)",
        ),
        ([1, 2, 3, 1.5, 99, 2.5, 0.5, 1], "gap: 1 crystal is far from all others (99;"),
    ],
)
def test_values_that_stand_for_nothing_or_are_slips_are_told(
    notes_of: Notes,
    crystals: dict[str, Structure],
    tmp_path: Path,
    gaps: list[float],
    expected: str,
) -> None:
    lines = notes_of(_write(tmp_path / "s", crystals, gap=gaps))
    (line,) = [line for line in lines if "far from" in line]
    assert line.startswith(expected)
    assert line.endswith("leave the cell empty where nothing is known")


def test_numbers_that_may_be_classes_are_told() -> None:
    values = np.array([0.0, 1.0] * 6)
    (line,) = value_notes("metal", values, values)
    assert line == (
        "metal: is 0 or 1, learnt as numbers; if they are classes, learn them with"
        " data.classes={metal: []}"
    )
    assert not list(value_notes("metal", values[:6], values))


def test_the_tail_of_a_distribution_is_not_far_from_others() -> None:
    steps = np.linspace(0.001, 0.999, 500)
    decades = 10.0 ** (12 * steps - 6)
    moments = np.concatenate([1e-4 * steps, 1e-4 * steps, 5 * steps[::5]])
    for values in (decades, moments):
        assert not list(value_notes("x", values, values))


@pytest.mark.parametrize("name", ["band_gaps", "dielectric", "formation_energy"])
def test_values_of_real_data_are_not_far_from_others(name: str) -> None:
    source = open_source(name)
    for target in source.available:
        rows = [float(value) for value in source.column(target)]
        assert not list(value_notes(target, np.array(rows), np.array(rows)))


def test_values_that_the_output_never_gives_are_told(
    notes_of: Notes, crystals: dict[str, Structure], tmp_path: Path
) -> None:
    source = _write(tmp_path / "s", crystals, gap=range(-2, 6))
    (line,) = notes_of(source, "model.output=softplus")
    assert line == (
        "gap: is below 0 for 2 of 8 crystals, which model.output=softplus never gives;"
        " set model.output=identity if they are meant"
    )
    assert not notes_of(source, "model.output=identity")


def test_unit_in_the_settings_that_nobody_knows_is_told(
    notes_of: Notes, crystals: dict[str, Structure], tmp_path: Path
) -> None:
    source = _write(tmp_path / "s", crystals, gap=range(8))
    (line,) = notes_of(source, "data.units={gap: eVv}")
    assert line.startswith("data.units: 'eVv' of gap is no unit that is known, so that")
    assert not notes_of(source, "data.units={gap: atoms}")  # a count


@pytest.mark.parametrize(
    ("heading", "units", "note"),
    [
        ("band_gap", {"band_gap": "eV"}, r"state no unit.* in eV, that of .*model"),
        ("band_gap [meV]", {}, r"model\.safetensors has no unit.* in meV, that of"),
        ("band_gap [meV]", {"band_gap": "eV"}, None),  # converted
        ("band_gap", {}, None),
    ],
)
def test_unit_that_one_of_model_and_data_lacks_is_told(
    notes_of: Notes,
    crystals: dict[str, Structure],
    tmp_path: Path,
    heading: str,
    units: dict[str, str],
    note: str | None,
) -> None:
    old = Config(data=DataConfig(targets=["band_gap"]))
    model = tmp_path / "model.safetensors"
    description = ModelDescription(config=old, targets=("band_gap",), units=units)
    save_model(model, SiteNet(old.model), description)
    source = _write(tmp_path / "new", crystals, **{heading: range(1, 9)})
    settings = ("data.targets=[band_gap]", f"training.initial_model={model}")
    found = [text for text in notes_of(source, *settings) if " unit" in text]
    if note is None:
        assert not found
    else:
        assert len(found) == 1
        assert re.match(f"band_gap: .*{note}", found[0])
