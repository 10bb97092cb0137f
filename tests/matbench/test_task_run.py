"""A whole benchmark, on made-up crystals in place of the smallest task's."""

import gzip
import hashlib
import json
import shutil

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from pyg_sitenet.cli.main import app
from pyg_sitenet.config import Config, override
from pyg_sitenet.data.readers.named.matbench_tasks import MATBENCH, MatbenchTask
from pyg_sitenet.errors import ConfigError, DataError, SiteNetError
from pyg_sitenet.matbench import run_benchmark

TASK = MATBENCH["matbench_jdft2d"]
SMALL = (
    "data.max_atoms=4",
    "data.workers=1",
    "model.heads=1",
    "model.blocks=1",
    "model.site_channels_per_head=8",
    "model.edge_channels_per_head=4",
    "model.attention_hidden=[]",
    "model.pre_pool=[8]",
    "model.post_pool=[8]",
    "model.embedding_channels=4",
    "training.max_epochs=1",
)
UNUSABLE = 11  # in the test part of fold 0


@pytest.fixture(scope="module")
def data_file(tmp_path_factory):
    """636 crystals of two atoms, one of them disordered."""
    path = tmp_path_factory.mktemp("data") / "task.jsonl.gz"
    with gzip.open(path, "wt") as file:
        for k, length in enumerate(np.linspace(3.5, 4.5, TASK.num_crystals)):
            structure = {
                "lattice": (np.eye(3) * length).tolist(),
                "species": ["Cs", {"Cl": 0.5} if k == UNUSABLE else "Cl"],
                "frac_coords": [[0, 0, 0], [0.5, 0.5, 0.5]],
            }
            row = {"structure": structure, "target": 100 * length}
            file.write(json.dumps(row) + "\n")
    return path


@pytest.fixture(scope="module")
def config():
    return override(Config(), SMALL)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def result(config, data_file, cache, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "jdft2d"
    return run_benchmark(
        "jdft2d", config, folder, data_file=data_file, folds=[0, 3], cache=cache
    )


def test_each_fold_is_scored_beside_the_mean(result):
    truth = 100 * np.linspace(3.5, 4.5, TASK.num_crystals)
    for fold in result.folds:
        train, test = TASK.folds(truth)[fold.fold]
        mean = np.abs(truth[test] - truth[train].mean()).mean()
        assert list(fold.predictions) == [TASK.id_of_row(row) for row in test]
        predicted = np.array(list(fold.predictions.values()))
        error = np.abs(predicted - truth[test])
        assert fold.scores["mae"] == pytest.approx(error.mean())
        assert fold.scores["max_error"] == pytest.approx(error.max())
        assert fold.seconds > 0
        assert 50 < fold.peak_memory_mb < 100_000
        # The mean of all that is known, the crystal that cannot be used among it.
        assert fold.dummy_scores["mae"] == pytest.approx(mean)


def test_validation_comes_out_of_the_training_part(result):
    test_ids = set(result.folds[0].predictions)
    assert result.folds[0].num_crystals == {
        "train": 457,
        "val": 51,
        "test": 128,
        "test_unusable": 1,
        "failed": 1,
    }
    predictions = pd.read_csv(result.folder / "fold_0" / "predictions.csv")
    assert set(predictions["id"]) == test_ids - {TASK.id_of_row(UNUSABLE)}
    assert "10% of each fold's training part" in result.summary()["notes"]["validation"]


def test_unusable_crystal_is_predicted_as_the_mean_and_counted(result):
    first, second = result.folds
    values = 100 * np.linspace(3.5, 4.5, TASK.num_crystals)
    train, _ = TASK.folds(values)[0]
    predicted = first.predictions[TASK.id_of_row(UNUSABLE)]
    assert predicted == pytest.approx(values[train].mean())
    assert second.num_crystals["test_unusable"] == 0
    assert result.summary()["notes"]["unusable"].startswith("1 test crystals")


def test_results_have_the_shape_of_the_board(result):
    with gzip.open(result.folder / "results.json.gz", "rt") as file:
        document = json.load(file)
    stated = document.pop("hash")
    text = json.dumps(document, sort_keys=True)
    assert hashlib.sha256(text.encode()).hexdigest() == stated
    assert document["benchmark_name"] == "matbench_v0.1"
    task = document["tasks"]["matbench_jdft2d"]
    assert task["dataset_name"] == "matbench_jdft2d"
    assert list(task["results"]) == ["fold_0", "fold_3"]
    for fold in task["results"].values():
        assert set(fold) == {"data", "parameters", "scores"}
        assert set(fold["scores"]) == {"mae", "rmse", "mape", "max_error"}
        assert all(type(value) is float for value in fold["data"].values())
        assert fold["parameters"]["data"]["max_atoms"] == 4


def test_finished_folds_are_kept_and_others_added(result, config, data_file, cache):
    stamp = (result.folder / "fold_0" / "metrics.json").stat().st_mtime_ns
    numbers = []
    again = run_benchmark(
        TASK.name,
        config,
        result.folder,
        data_file=data_file,
        folds=[3, 0],
        cache=cache,
        on_fold=numbers.append,
    )
    assert [item.fold for item in numbers] == [0, 3]
    assert again.folds == result.folds
    assert (result.folder / "fold_0" / "metrics.json").stat().st_mtime_ns == stamp


def test_fold_with_other_settings_is_refused(result, config, data_file, cache):
    other = override(config, ["model.heads=2"])
    with pytest.raises(ConfigError, match=r"trained with model.heads = 1, not 2"):
        run_benchmark(TASK.name, other, result.folder, data_file=data_file, cache=cache)


@pytest.mark.parametrize("text", ["{", "[" * 99_999, '{"fold": "two", "scores": 5}'])
def test_damaged_result_is_named(config, data_file, tmp_path, text):
    (tmp_path / "fold_2").mkdir()
    (tmp_path / "fold_2" / "benchmark.json").write_text(text)
    with pytest.raises(DataError, match=r"benchmark\.json: damaged; delete it"):
        run_benchmark(TASK.name, config, tmp_path, data_file=data_file, folds=[2])


def test_inner_trials_leave_the_test_part_alone(config, data_file, cache, tmp_path):
    truth = 100 * np.linspace(3.5, 4.5, TASK.num_crystals)
    train, _ = TASK.folds(truth)[0]
    folds = [
        run_benchmark(
            TASK.name, config, tmp_path, data_file=data_file, folds=[0], cache=cache,
            inner=True, crystals=crystals,
        ).folds[0]
        for crystals in (None, 40)
    ]  # fmt: skip
    for name, fold in zip(("inner_0", "inner_0_40"), folds, strict=True):
        used = pd.read_csv(tmp_path / name / "crystals.csv").dropna(subset="part")
        assert set(used["id"]) <= {TASK.id_of_row(row) for row in train}
        assert set(used["id"][used["part"] == "test"]) == set(fold.predictions)
    assert list(folds[0].predictions) == list(folds[1].predictions)
    assert len(folds[0].predictions) == len(train) // 5
    assert folds[0].num_crystals["train"] + folds[0].num_crystals["val"] == 407
    assert folds[1].num_crystals["train"] + folds[1].num_crystals["val"] == 40
    summary = json.loads((tmp_path / "inner.json").read_text())
    assert summary["mean"] == folds[1].scores["mae"]
    assert "test part is not looked at" in summary["notes"]["validation"]
    assert not (tmp_path / "results.json.gz").exists()
    assert not (tmp_path / "results.json").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crystals": 9}, r"was 9 without inner \(--inner\)"),
        ({"crystals": 0, "inner": True}, "must be from 1 to 407, four fifths of"),
        ({"crystals": 408, "inner": True}, "training part of a fold, got 408"),
    ],
)
def test_wrong_number_of_crystals_is_refused(
    config, data_file, tmp_path, options, message
):
    with pytest.raises(ConfigError, match=message):
        run_benchmark(TASK.name, config, tmp_path, data_file=data_file, **options)


def test_results_of_something_else_are_kept(config, data_file, tmp_path):
    (tmp_path / "results.json").write_text("{}")
    with pytest.raises(SiteNetError, match=r"results\.json: was written by something"):
        run_benchmark("jdft2d", config, tmp_path, data_file=data_file, folds=[0])
    assert (tmp_path / "results.json").read_text() == "{}"


@pytest.mark.parametrize("folds", [[], [5], [-1, 0]])
def test_unknown_folds_are_refused(config, tmp_path, folds):
    with pytest.raises(SiteNetError, match="folds must be among 0 to 4"):
        run_benchmark(TASK.name, config, tmp_path, folds=folds)


def test_command_prints_a_table_with_the_mean_beside(
    result, data_file, cache, monkeypatch
):
    monkeypatch.setenv("PYG_SITENET_CACHE", str(cache))
    options = [word for setting in SMALL for word in ("--set", setting)]
    command = ["benchmark", TASK.name, "--data-file", str(data_file), "--folds", "0"]
    command += ["--output", str(result.folder), "--config"]
    command += [str(result.folder / "fold_0" / "config.yaml"), *options]
    shown = CliRunner().invoke(app, command)
    assert shown.exit_code == 0, shown.output
    assert "mean dummy" in shown.stdout
    assert "10% of each fold's training part" in shown.stdout
    as_json = CliRunner().invoke(app, [*command, "--json"])
    summary = json.loads(as_json.stdout)
    assert summary["mean"] == result.folds[0].scores["mae"]
    assert summary["is_complete"] is False


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["matbench_steels"], 1, "no structure task of Matbench"),
        (["matbench_phonons", "--folds", "a"], 2, "--folds takes numbers"),
        (["matbench_phonons", "--data-file", "none"], 1, "no such file for matbench_p"),
        (["matbench_phonons:none"], 1, "no such file for matbench_phonons"),
        (["matbench_phonons:a", "--data-file", "b"], 2, "both name a file; give one"),
    ],
)
def test_wrong_use_says_so(arguments, code, message):
    shown = CliRunner().invoke(app, ["benchmark", *arguments])
    assert shown.exit_code == code
    assert message in " ".join(shown.output.split())


def test_interrupted_fold_is_continued(result, config, data_file, cache):
    path = result.folder / "fold_0" / "benchmark.json"
    finished = path.read_text()
    path.unlink()
    again = run_benchmark(
        TASK.name,
        config,
        result.folder,
        data_file=data_file,
        folds=[0],
        cache=cache,
    )
    path.write_text(finished)
    assert again.folds[0].is_resumed
    assert again.folds[0].scores == result.folds[0].scores


def test_damaged_fold_names_a_remedy_that_a_benchmark_has(
    result, config, data_file, cache, tmp_path
):
    folder = shutil.copytree(result.folder, tmp_path / "jdft2d")
    (folder / "fold_0" / "benchmark.json").unlink()
    (folder / "fold_0" / "metrics.json").unlink()
    for path in (folder / "fold_0" / "checkpoints").iterdir():
        path.write_bytes(b"")
    with pytest.raises(SiteNetError, match="by running the benchmark again") as error:
        run_benchmark(
            TASK.name, config, folder, data_file=data_file, folds=[0], cache=cache
        )
    assert "--resume" not in str(error.value)


CLASSES = MatbenchTask("matbench_mp_is_metal", "is_metal", "", 40, "", "classification")


def test_classes_are_scored_by_the_area_under_the_curve(
    config, cache, tmp_path, monkeypatch
):
    # The task with fewer crystals: its file has 106,113.
    monkeypatch.setitem(MATBENCH, CLASSES.name, CLASSES)
    rows, truth = [], []
    for k, length in enumerate(np.linspace(3.5, 4.5, CLASSES.num_crystals)):
        truth.append(k % 3 == 0)
        species = ["Cs", "Cs"] if truth[-1] else ["Cs", "Cl"]
        cell = (np.eye(3) * length).tolist()
        places = [[0, 0, 0], [0.5, 0.5, 0.5]]
        structure = {"lattice": cell, "species": species, "frac_coords": places}
        rows.append([structure, truth[-1]])
    document = {"index": list(range(40)), "columns": ["structure", "is_metal"]}
    path = tmp_path / "task.json.gz"
    with gzip.open(path, "wt") as file:
        json.dump(document | {"data": rows}, file)
    long = override(config, ["training.max_epochs=8", "training.learning_rate=0.02"])
    result = run_benchmark(
        "mp_is_metal", long, tmp_path / "runs", data_file=path, folds=[1], cache=cache
    )
    (fold,) = result.folds
    _, test = CLASSES.folds([float(item) for item in truth])[1]
    probability = np.array(list(fold.predictions.values()))
    expected = roc_auc_score(np.array(truth)[test], probability)
    assert fold.scores["rocauc"] == pytest.approx(expected)
    assert fold.scores["rocauc"] > 0.9
    assert fold.dummy_scores["rocauc"] == 0.5
    assert result.summary()["score"] == "rocauc"
    table = pd.read_csv(tmp_path / "runs" / "fold_1" / "predictions.csv")
    assert table["predicted is_metal p(true)"].to_numpy() == pytest.approx(probability)
