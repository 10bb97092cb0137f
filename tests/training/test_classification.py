"""A run that learns classes beside a number, from the table to the model file."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Structure
from typer.testing import CliRunner

from pyg_sitenet import load_predictor
from pyg_sitenet.cli.main import app
from pyg_sitenet.config import Config, load_config, override
from pyg_sitenet.data.records import Record
from pyg_sitenet.errors import ConfigError, DataError
from pyg_sitenet.evaluation import evaluate
from pyg_sitenet.model_file import load_network, read_description
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.nn.output_layout import OutputLayout
from pyg_sitenet.prediction import frame_statistics
from pyg_sitenet.training import RunResult, train
from pyg_sitenet.training.folds import cross_validate
from pyg_sitenet.training.network import for_other_data, start_from

KINDS = ("insulator", "semiconductor", "small gap")
RUN = (
    "data.targets=[kind, wide, band_gap]",
    "data.split=random",
    "data.calibration_fraction=0.3",
    "data.environment=supercell",
    "training.max_epochs=20",
    "training.class_weights=balanced",
)


def _kind(gap: float) -> str:
    return KINDS[2] if gap < 1.5 else KINDS[1] if gap < 4 else KINDS[0]


def _write(path: Path, records: list[Record], kinds: list[str]) -> Path:
    rows = [
        {
            "id": record.id,
            "structure": record.structure.as_dict(),
            "kind": kind,
            "wide": record.targets["band_gap"] > 2,
            "band_gap": record.targets["band_gap"],
            "family": f"family {k % 7}",
        }
        for k, (record, kind) in enumerate(zip(records, kinds, strict=True))
    ]
    path.write_text(json.dumps(rows))
    return path


@pytest.fixture(scope="module")
def kinds(bundled_records: list[Record]) -> list[str]:
    outcome = [_kind(record.targets["band_gap"]) for record in bundled_records]
    return ["" if k == 5 else kind for k, kind in enumerate(outcome)]


@pytest.fixture(scope="module")
def table(
    tmp_path_factory: pytest.TempPathFactory,
    bundled_records: list[Record],
    kinds: list[str],
) -> Path:
    path = tmp_path_factory.mktemp("table") / "table.json"
    return _write(path, bundled_records, kinds)


@pytest.fixture(scope="module")
def settings(config: Config, table: Path) -> Config:
    return override(config, [*RUN, f"data.source={table}"])


@pytest.fixture(scope="module")
def learnt(
    settings: Config, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> RunResult:
    return train(settings, tmp_path_factory.mktemp("runs") / "kind", cache=cache)


def test_run_knows_its_classes(learnt: RunResult) -> None:
    expected = {"kind": KINDS, "wide": ("false", "true")}
    assert load_config(learnt.folder / "config.yaml").data.classes == expected
    description = read_description(learnt.folder)
    assert description.classes == expected
    assert set(description.target_ranges) == {"band_gap"}
    assert description.outputs == (
        "kind p(insulator)",
        "kind p(semiconductor)",
        "kind p(small gap)",
        "wide p(false)",
        "wide p(true)",
        "band_gap",
    )


def test_what_is_learnt_is_said_with_the_share_of_each_class(
    learnt: RunResult,
) -> None:
    notes = [note for note in learnt.metrics["notes"] if note.startswith("wide: ")]
    assert len(notes) == 1
    assert "classes false (" in notes[0]


def test_classes_are_learnt(learnt: RunResult) -> None:
    history = learnt.metrics["history"]
    assert history[-1]["train/nll/kind"] < 0.8 * math.log(3)
    assert history[-1]["train/accuracy/wide"] > 0.7
    assert "val/accuracy/kind" in history[-1]


def test_metrics_are_those_of_the_predictions_beside_the_majority(
    learnt: RunResult, kinds: list[str]
) -> None:
    rows = pd.read_csv(learnt.folder / "predictions.csv", keep_default_na=False)
    outcome = learnt.metrics["targets"]["kind"]
    labelled = rows[rows["kind"] != ""]
    right = (labelled["kind"] == labelled["predicted kind"]).mean()
    assert outcome["test"]["accuracy"] == pytest.approx(right)
    assert outcome["classes"] == list(KINDS)
    assert list(outcome["baselines"]) == ["majority", "composition"]
    train_ids = set(range(24)) - set(rows.index)
    assert len(train_ids) == 24 - len(rows)
    most = max(KINDS, key=kinds.count)
    expected = (labelled["kind"] == most).mean()
    assert outcome["baselines"]["majority"]["test"]["accuracy"] == expected
    assert outcome["baselines"]["majority"]["test"]["roc_auc"] in (0.5, None)
    assert "mae" in learnt.metrics["targets"]["band_gap"]["test"]


def test_predictions_have_a_class_and_a_probability_of_each(
    learnt: RunResult,
) -> None:
    rows = pd.read_csv(learnt.folder / "predictions.csv", dtype=str)
    columns = [f"predicted kind p({label})" for label in KINDS]
    outcome = rows[columns].astype(float)
    assert outcome.sum(axis=1).to_numpy() == pytest.approx(1.0, abs=1e-5)
    labels = [KINDS[k] for k in outcome.to_numpy().argmax(axis=1)]
    assert rows["predicted kind"].tolist() == labels
    assert set(rows["wide"]) <= {"true", "false"}


def test_figures_show_classes_and_numbers(learnt: RunResult) -> None:
    names = {item.name for item in (learnt.folder / "figures").iterdir()}
    expected = {"classes.png", "parity.png", "learning_curve.png", "calibration.png"}
    assert names == expected


def test_sets_of_classes_have_a_coverage(learnt: RunResult) -> None:
    rows = learnt.metrics["targets"]["wide"]["coverage"]
    assert rows
    assert all(1 <= row["mean_width"] <= 2 for row in rows)
    widths = [row["mean_width"] for row in rows]
    assert widths == sorted(widths)


def test_table_of_predictions_has_classes(
    learnt: RunResult, rutile: Structure, silicon: Structure
) -> None:
    predictor = load_predictor(learnt.folder, level=0.5)
    with pytest.warns(UserWarning, match="training"):
        outcome = predictor.predict([rutile, silicon])
    columns = ["kind", *(f"kind p({label})" for label in KINDS), "wide"]
    assert outcome.columns[2:7].tolist() == columns
    probabilities = outcome[columns[1:4]].to_numpy()
    assert probabilities.sum(axis=1) == pytest.approx(1.0, abs=1e-6)
    assert outcome["kind"].tolist() == [KINDS[k] for k in probabilities.argmax(axis=1)]
    for label, inside in zip(outcome["kind"], outcome["kind set"], strict=True):
        assert label in inside.split(" | ")
    assert (outcome["band_gap lower [eV]"] < outcome["band_gap [eV]"]).all()


def test_orderings_of_a_disordered_crystal_share_their_probabilities(
    learnt: RunResult, mixed_salt: Structure
) -> None:
    predictor = load_predictor(learnt.folder, disorder="sample", orderings=3)
    with pytest.warns(UserWarning, match="training"):
        row = predictor.predict(mixed_salt).iloc[0]
    names = ["wide p(false)", "wide p(true)"]
    assert sum(row[names]) == pytest.approx(1.0, abs=1e-6)
    assert row["wide"] == ("false" if row[names[0]] > row[names[1]] else "true")
    for name in names:
        assert row[f"{name} min"] <= row[name] <= row[f"{name} max"]


def test_evaluation_names_unknown_labels_and_scores_the_others(
    learnt: RunResult,
    bundled_records: list[Record],
    kinds: list[str],
    tmp_path: Path,
) -> None:
    labels = ["metal", *kinds[1:8]]
    source = _write(tmp_path / "new.json", bundled_records[:8], labels)
    rows = tmp_path / "rows.csv"
    outcome = evaluate(learnt.folder, source, rows)
    assert (outcome.ledger.used, outcome.ledger.failed) == (7, 1)
    failures = pd.read_csv(tmp_path / "rows_failures.csv")
    assert "'metal' of 'kind' is none of its classes (ins" in failures["reason"][0]
    table = pd.read_csv(rows, keep_default_na=False, dtype=str)
    assert table["known kind"].tolist() == kinds[1:8]
    labelled = table[table["known kind"] != ""]
    right = (labelled["kind"] == labelled["known kind"]).mean()
    assert outcome.metrics["kind"]["accuracy"] == pytest.approx(right)
    assert outcome.metrics["kind"]["classes"] == list(KINDS)
    assert "coverage" in outcome.metrics["wide"]
    assert list(outcome.figures) == ["parity", "classes", "calibration"]
    for path in outcome.figures.values():
        assert path.parent == tmp_path
        assert path.read_bytes().startswith(b"\x89PNG")


def _error(setting: str, settings: Config, cache: Path, folder: Path) -> None:
    train(override(settings, [setting]), folder / "run", cache=cache)


def test_class_without_a_training_crystal_is_refused(
    settings: Config, cache: Path, tmp_path: Path
) -> None:
    classes = "data.classes={kind: [insulator, semiconductor, small gap, metal]}"
    message = r"class 'metal' of 'kind' has no crystal among the \d+ to train on \(0 in"
    with pytest.raises(DataError, match=message):
        _error(classes, settings, cache, tmp_path)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            "training.target_transform={kind: log}",
            r"logarithm of 'kind', which has the classes insulator, semi",
        ),
        (
            "data.targets=[band_gap]",
            r"class_weights=balanced needs a target of classes, and band_gap are numb",
        ),
    ],
)
def test_settings_that_do_not_fit_classes_are_refused(
    setting: str, message: str, settings: Config, cache: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        _error(setting, settings, cache, tmp_path)


def test_fine_tuning_keeps_the_head_of_equal_classes_alone(
    learnt: RunResult,
) -> None:
    old, description = load_network(learnt.folder)
    classes = {"kind": ("insulator", "metal"), "wide": ("false", "true")}
    names = ("kind", "wide", "band_gap")
    model = SiteNet(old.config, layout=OutputLayout.make(names, classes))
    assert start_from(model, learnt.folder) == ["wide", "band_gap"]
    row = model.layout.targets[1].columns
    weight = old.readout.linear.weight[description.layout.targets[1].columns]
    assert model.readout.linear.weight[row].equal(weight)
    as_number = SiteNet(old.config, layout=OutputLayout.make(["kind"]))
    assert start_from(as_number, learnt.folder) == []


def test_fine_tuning_finds_the_classes_of_its_own_data(learnt: RunResult) -> None:
    config = read_description(learnt.folder).config
    settled = for_other_data(override(config, ["data.targets=[kind]"]))
    assert settled.data.classes == {"kind": ()}


def test_ensemble_averages_probabilities_and_folds_keep_groups(
    settings: Config, cache: Path, table: Path, tmp_path: Path
) -> None:
    quick = ["training.max_epochs=1", "data.calibration_fraction=0"]
    quick += ["data.targets=[wide]", "data.split=group:family", "training.members=2"]
    result = cross_validate(override(settings, quick), tmp_path, 2, cache=cache)
    target = result.metrics["targets"]["wide"]
    assert target["classes"] == ["false", "true"]
    scores = target["test"]
    assert set(scores) >= {"accuracy", "log_loss"}
    rows = [pd.read_csv(tmp_path / f"fold_{k}" / "predictions.csv") for k in (0, 1)]
    families = {load["id"]: load["family"] for load in json.loads(table.read_text())}
    outcome, other = ({families[id_] for id_ in fold["id"]} for fold in rows)
    assert outcome | other == set(families.values())
    assert not outcome & other
    members = [
        pd.read_csv(tmp_path / "fold_0" / "members" / str(k) / "predictions.csv")
        for k in (0, 1)
    ]
    name = "predicted wide p(true)"
    mean = np.mean([member[name] for member in members], axis=0)
    assert rows[0][name].to_numpy() == pytest.approx(mean, abs=1e-5)
    assert (rows[0][f"spread {name.removeprefix('predicted ')}"] >= 0).all()


def test_fine_tuning_on_other_classes_from_the_command_line(
    learnt: RunResult, table: Path, cache: Path, tmp_path: Path
) -> None:
    arguments = ["train", table, "-t", "family", "--from", learnt.folder, "-o"]
    arguments += [tmp_path / "tuned", "--set", "training.max_epochs=1"]
    arguments += ["--set", "data.calibration_fraction=0"]
    environment = {"PYG_SITENET_CACHE": str(cache)}
    names = [str(argument) for argument in arguments]
    result = CliRunner().invoke(app, names, env=environment)
    assert result.exit_code == 0, result.output
    assert "test of family" in result.output
    assert "majority" in result.output
    assert "family: learnt as the classes family 0 (" in " ".join(result.output.split())
    outcome = read_description(tmp_path / "tuned")
    assert outcome.classes == {"family": tuple(f"family {k}" for k in range(7))}


def test_statistics_of_frames_are_of_probabilities(
    learnt: RunResult, nacl: Structure
) -> None:
    predictor = load_predictor(learnt.folder)
    frames = [nacl.copy().scale_lattice(nacl.volume * k) for k in (0.98, 1.0, 1.03)]
    with pytest.warns(UserWarning, match="training"):
        table = predictor.predict(frames)
    outcome = frame_statistics(table, predictor.columns).set_index("target")
    names = ["wide p(false)", "wide p(true)"]
    assert outcome.loc[names, "mean"].sum() == pytest.approx(1.0, abs=1e-6)
    assert outcome.loc[names[1], "mean"] == pytest.approx(table[names[1]].mean())
    assert "wide" not in outcome.index


def test_commands_show_classes(learnt: RunResult, table: Path) -> None:
    def run(*arguments: object) -> str:
        result = CliRunner().invoke(app, [str(word) for word in arguments])
        assert result.exit_code == 0, result.output
        return result.output

    shown = run("evaluate", learnt.folder, table, "--workers", 1)
    assert "classes of" in shown
    assert "ROC-AUC" in shown
    facts = json.loads(run("info", learnt.folder, "--json"))
    assert facts["classes"]["wide"] == ["false", "true"]
    assert "test accuracy of wide" in run("info", learnt.folder)
    shown = run("predict", learnt.folder, table, "--workers", 1, "--json")
    answer = json.loads(shown[shown.index('{"units"') :].splitlines()[0])
    first = answer["predictions"][0]
    assert first["labels"]["kind"] in KINDS
    assert sum(first["values"][f"kind p({label})"] for label in KINDS) == pytest.approx(
        1
    )
