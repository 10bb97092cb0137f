"""What the settings of training do to a whole run."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from pyg_sitenet.config import Config, override
from pyg_sitenet.errors import ConfigError, DataError
from pyg_sitenet.model_file import load_model
from pyg_sitenet.training import RunResult, train
from pyg_sitenet.training.folds import cross_validate
from pyg_sitenet.training.loading import check_config, load_data
from pyg_sitenet.training.loop.devices import Devices

Train = Callable[..., RunResult]


@pytest.fixture
def run_with(config: Config, cache: Path, tmp_path: Path) -> Train:
    """Train shortly with these settings, in a folder of this name."""

    def run(*settings: str, name: str = "run") -> RunResult:
        chosen = override(config, ["training.max_epochs=2", *settings])
        return train(chosen, tmp_path / name, cache=cache)

    return run


@pytest.fixture
def with_gaps(make_source: Callable[[int], Path], tmp_path: Path) -> Path:
    """Crystals of which every third lacks one of two targets."""
    source = make_source(24)
    table = pd.read_csv(source / "table.csv")
    table.loc[::3, "band_gap"] = np.nan
    table.loc[1::3, "refractive_index"] = np.nan
    for path in source.glob("*.cif"):
        (tmp_path / "gaps").mkdir(exist_ok=True)
        (tmp_path / "gaps" / path.name).write_bytes(path.read_bytes())
    table.to_csv(tmp_path / "gaps" / "table.csv", index=False)
    return tmp_path / "gaps"


def test_gaps_in_the_table_are_left_out_of_everything(
    run_with: Train, with_gaps: Path, tmp_path: Path
) -> None:
    targets = "data.targets=[band_gap, refractive_index]"
    result = run_with(f"data.source={with_gaps}", targets, "data.val_fraction=0.3")
    assert result.metrics["num_crystals"]["failed"] == 0
    for outcome in result.metrics["targets"].values():
        assert math.isfinite(outcome["test"]["mae"])
        assert all(
            math.isfinite(item["test"]["mae"]) for item in outcome["baselines"].values()
        )
    for epoch in result.metrics["history"]:
        assert all(math.isfinite(value) for value in epoch.values())
    table = pd.read_csv(tmp_path / "run" / "predictions.csv")
    assert table["band_gap [eV]"].isna().any()
    assert not table["predicted band_gap [eV]"].isna().any()


def test_logarithm_is_learnt_and_predictions_are_in_the_unit(run_with: Train) -> None:
    result = run_with("training.target_transform={band_gap: log}")
    table = pd.read_csv(result.folder / "predictions.csv")
    assert (table["predicted band_gap [eV]"] > 0).all()
    model, description = load_model(result.folder)
    assert description.layout.targets[0].transform == "log"
    mae = (table["band_gap [eV]"] - table["predicted band_gap [eV]"]).abs().mean()
    assert result.metrics["targets"]["band_gap"]["test"]["mae"] == pytest.approx(
        mae, 1e-4
    )
    assert model.target_mean.item() < 2  # of the logarithm of some eV


def test_logarithm_of_nothing_names_the_crystal(
    run_with: Train, make_source: Callable[[int], Path]
) -> None:
    source = make_source(6)
    table = pd.read_csv(source / "table.csv")
    table.loc[2, "band_gap"] = -1.5
    table.to_csv(source / "table.csv", index=False)
    name = table.loc[2, "file"].removesuffix(".cif")
    with pytest.raises(DataError, match=f"{name}: the target 'band_gap' is -1.5"):
        run_with(f"data.source={source}", "training.target_transform={band_gap: log}")


def test_standardisation_is_of_the_training_part_alone(
    run: RunResult, config: Config, cache: Path
) -> None:
    data = load_data(config, cache, None, Devices(), progress=False)
    table = pd.read_csv(Path(config.data.source) / "table.csv")
    gaps = table.set_index(table["file"].str.removesuffix(".cif"))["band_gap"]
    training = gaps[data.part("train").ids].to_numpy()
    model, _ = load_model(run.folder)
    assert model.target_mean.item() == pytest.approx(training.mean(), rel=1e-5)
    assert model.target_scale.item() == pytest.approx(training.std(), rel=1e-5)
    held = {id_ for part in ("val", "test") for id_ in data.part(part).ids}
    assert held == set(gaps.index) - set(data.part("train").ids)
    assert abs(training.mean() - gaps.mean()) > 0.01
    assert abs(training.std() - gaps.std(ddof=0)) > 0.01


def test_training_stops_early_and_stays_stopped(
    config: Config, cache: Path, tmp_path: Path
) -> None:
    settings = ["training.early_stopping=2", "training.max_epochs=60"]
    wild = ["training.learning_rate=0.1", "data.val_fraction=0.4"]
    config = override(config, [*settings, *wild])
    first = train(config, tmp_path, cache=cache)
    assert first.metrics["epochs"] == first.metrics["best_epoch"] + 2 < 60
    (tmp_path / "metrics.json").unlink()  # as if stopped between training and results
    again = train(config, tmp_path, resume=True, cache=cache)
    assert again.metrics["history"] == first.metrics["history"]


def test_early_stopping_without_validation_is_refused(run_with: Train) -> None:
    with pytest.raises(ConfigError, match="early_stopping needs crystals to validate"):
        run_with("data.val_fraction=0", "training.early_stopping=2")


def test_accumulated_batches_make_one_step(run_with: Train) -> None:
    state = torch.load(
        next(run_with("data.max_sites=12", name="plain").folder.glob("*/last.ckpt")),
        weights_only=True,
    )
    folder = run_with("data.max_sites=12", "training.accumulate=3", name="three").folder
    three = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    assert three["global_step"] == 2 * math.ceil(state["global_step"] / 2 / 3)


def test_shorter_numbers_train_to_about_the_same(run_with: Train) -> None:
    # Smooth, unlike the absolute error: that of a crystal which is almost right turns
    # round with the last digit, and with it a quarter of the gradient of eight.
    smooth = ("model.dropout=0", "training.loss=mse", "training.learning_rate=0.001")
    plain, short = (
        run_with(f"training.precision={name}", *smooth, name=name).metrics
        for name in ("float32", "bfloat16")
    )
    losses = [item["history"][-1]["train/loss"] for item in (plain, short)]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)
    assert losses[0] != losses[1]


def test_fine_tuning_starts_from_the_model_and_gets_a_new_head(
    run: RunResult, run_with: Train
) -> None:
    start = f"training.initial_model={run.folder}"
    freeze = "training.freeze_encoder=true"
    old, _ = load_model(run.folder)
    folder = run_with(start, freeze, "data.targets=[refractive_index]").folder
    new, description = load_model(folder)
    assert description.targets == ("refractive_index",)
    # The last step leaves rows above the norm limit, which shortens them when used.
    old.site_embedding.settle()
    for (name, before), after in zip(
        old.state_dict().items(), new.state_dict().values(), strict=True
    ):
        frozen = not name.startswith(("readout.post", "readout.linear", "target_"))
        assert torch.equal(before, after) is frozen, name


def test_fine_tuning_on_the_same_target_goes_on_with_its_head(
    run: RunResult, run_with: Train
) -> None:
    start = f"training.initial_model={run.folder}"
    tuned = run_with(start, "training.learning_rate=1e-30", "training.weight_decay=0")
    for part in ("val", "test"):
        before, after = (
            item.metrics["targets"]["band_gap"][part]["mae"] for item in (run, tuned)
        )
        assert after == pytest.approx(before, rel=1e-5)


def test_model_of_another_size_is_no_start(
    run: RunResult, run_with: Train, tmp_path: Path
) -> None:
    start = f"training.initial_model={run.folder}"
    with pytest.raises(ConfigError, match=r"have the size .*start from the settings"):
        run_with(start, "model.heads=3", name="refused")
    assert not (tmp_path / "refused").exists()  # which would be in the way


def test_fine_tuning_in_another_unit_is_refused(
    run: RunResult, run_with: Train
) -> None:
    """The copied rows and scaling stand for the old unit: a factor in silence."""
    start = f"training.initial_model={run.folder}"
    message = r"'band_gap' was learnt in eV, data\.units asks for meV; leave it out"
    with pytest.raises(ConfigError, match=message):
        run_with(start, "data.units={band_gap: meV}", name="milli")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("training.target_transform={gap: log}", "names 'gap', which is no target"),
        ("training.freeze_encoder=true", "would keep random weights; name a trained"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    settings: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        check_config(override(Config(), [settings]))


def test_fold_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"below data\.folds = 3 .*, got 3"):
        check_config(override(Config(), ["data.folds=3", "data.fold=3"]))


def test_target_that_nothing_to_train_on_has_is_refused(
    run_with: Train, with_gaps: Path
) -> None:
    table = pd.read_csv(with_gaps / "table.csv")
    table.loc[1:, "refractive_index"] = np.nan
    table.loc[1:, "band_gap"] = 1.0
    table.to_csv(with_gaps / "table.csv", index=False)
    targets = "data.targets=[band_gap, refractive_index]"
    settings = (f"data.source={with_gaps}", targets, "data.test_fraction=0.9")
    # With the first split seed the one crystal that has it is among those to test.
    with pytest.raises(DataError, match="'refractive_index' is known for none of the"):
        run_with(*settings)


def test_folds_test_every_crystal_once_and_are_summarised(
    config: Config, cache: Path, tmp_path: Path
) -> None:
    short = override(config, ["training.max_epochs=1"])
    result = cross_validate(short, tmp_path, 3, cache=cache)
    tables = [pd.read_csv(tmp_path / f"fold_{k}" / "predictions.csv") for k in range(3)]
    ids = [id_ for table in tables for id_ in table["id"]]
    assert len(ids) == len(set(ids)) == 24
    outcome = result.metrics["targets"]["band_gap"]["test"]["mae"]
    assert outcome["mean"] == pytest.approx(np.mean(outcome["folds"]))
    assert outcome["std"] == pytest.approx(np.std(outcome["folds"], ddof=1))
    assert json.loads((tmp_path / "summary.json").read_text()) == result.metrics
    again = cross_validate(short, tmp_path, 3, resume=True, cache=cache)
    assert again.metrics == result.metrics
