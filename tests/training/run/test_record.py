"""A run goes on with the data it was begun with, wherever they lie, and no others."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pyg_sitenet.config import Config, load_config, override
from pyg_sitenet.errors import DataError, SiteNetError
from pyg_sitenet.file_locks import locked_folder
from pyg_sitenet.training import train
from pyg_sitenet.training.folds import cross_validate


@pytest.fixture(scope="module")
def source(
    make_source: Callable[[int], Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Crystals that no other test reads."""
    return shutil.copytree(make_source(16), tmp_path_factory.mktemp("data") / "own")


@pytest.fixture(scope="module")
def begun(
    config: Config, source: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A run of one epoch."""
    settings = override(config, [f"data.source={source}", "training.max_epochs=1"])
    return train(settings, tmp_path_factory.mktemp("runs") / "run", cache=cache).folder


@pytest.fixture
def own(begun: Path, source: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A copy of the run, and of its data at another place."""
    return (
        shutil.copytree(begun, tmp_path / "run"),
        shutil.copytree(source, tmp_path / "moved"),
    )


def _resume(run: Path, data: Path, cache: Path, *more: str) -> Config:
    settings = [f"data.source={data}", "training.max_epochs=2", *more]
    train(override(load_config(run / "config.yaml"), settings), run,
          resume=True, cache=cache)  # fmt: skip
    return load_config(run / "config.yaml")


def _rewrite(
    data: Path, change: Callable[[list[dict[str, str]]], list[dict[str, str]]]
) -> None:
    path = data / "table.csv"
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = list(rows[0])
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(change(rows))


def test_moved_data_go_on(own: tuple[Path, Path], cache: Path) -> None:
    run, moved = own
    assert _resume(run, moved, cache).data.source == str(moved)
    epochs = json.loads((run / "metrics.json").read_text())["history"]
    assert [epoch["epoch"] for epoch in epochs] == [1, 2]


def test_other_values_are_refused(own: tuple[Path, Path], cache: Path) -> None:
    run, data = own
    before = (run / "config.yaml").read_bytes()
    _rewrite(data, lambda rows: [r | {"band_gap": "10.5"} for r in rows[:5]] + rows[5:])
    message = r"data\.json: the run .* other data: 5 crystals have another band_gap \("
    with pytest.raises(DataError, match=message):
        _resume(run, data, cache)
    assert (run / "config.yaml").read_bytes() == before  # nothing of it was noted


def test_moved_data_with_another_column_go_on(
    own: tuple[Path, Path], cache: Path
) -> None:
    run, moved = own
    lines = (moved / "table.csv").read_text().splitlines()
    lines = [f"{line},{k or 'note'}" for k, line in enumerate(lines)]
    (moved / "table.csv").write_text("\n".join(lines))
    archive = shutil.make_archive(str(moved), "zip", moved)
    assert _resume(run, Path(archive), cache).data.source == archive
    epochs = json.loads((run / "metrics.json").read_text())["history"]
    assert [epoch["epoch"] for epoch in epochs] == [1, 2]


def test_another_unit_of_equal_numbers_is_refused(
    own: tuple[Path, Path], cache: Path
) -> None:
    run, data = own
    record = json.loads((run / "data.json").read_text())
    assert record["units"] == {"band_gap": "eV"}
    record["units"] = {"band_gap": "meV"}  # as if the heading had said so
    (run / "data.json").write_text(json.dumps(record))
    with pytest.raises(DataError, match="data: band_gap is in 'eV', before 'meV'; sta"):
        _resume(run, data, cache)


def test_another_order_says_that_parts_would_change(
    own: tuple[Path, Path], cache: Path
) -> None:
    run, data = own
    _rewrite(data, lambda rows: rows[::-1])
    with pytest.raises(
        DataError, match=r"other data: \d+ crystals would be in another"
    ):
        _resume(run, data, cache)


def test_last_digits_of_a_value_are_named(own: tuple[Path, Path], cache: Path) -> None:
    run, data = own
    change = {"band_gap": "1.00000000001"}
    _rewrite(data, lambda rows: [rows[0] | {"band_gap": "1"}, *rows[1:]])
    again = shutil.copytree(run, run.with_name("again"))
    settings = override(load_config(run / "config.yaml"), [f"data.source={data}"])
    shutil.rmtree(again)
    train(settings, again, cache=cache)
    _rewrite(data, lambda rows: [rows[0] | change, *rows[1:]])
    message = "1 crystals have another band_gap, from the seventh digit on"
    with pytest.raises(DataError, match=message):
        _resume(again, data, cache)


def test_unit_that_is_gone_is_named(own: tuple[Path, Path], cache: Path) -> None:
    run, data = own
    record = json.loads((run / "data.json").read_text())
    (run / "data.json").write_text(json.dumps(record | {"units": {}}))
    with pytest.raises(DataError, match="band_gap is in 'eV', before no unit; start"):
        _resume(run, data, cache)


def test_tables_of_others_are_not_overwritten(
    config: Config, source: Path, cache: Path, tmp_path: Path
) -> None:
    data = shutil.copytree(source, tmp_path / "data")
    settings = override(config, [f"data.source={data}"])
    message = "data: is the folder of the data; choose another output folder"
    with pytest.raises(SiteNetError, match=message):
        train(settings, data, cache=cache)
    table = (data / "table.csv").rename(data / "crystals.csv")
    before = table.read_bytes()
    settings = override(config, [f"data.source={table}"])
    with pytest.raises(SiteNetError, match=r"crystals\.csv: was written by something"):
        train(settings, data, cache=cache)
    assert table.read_bytes() == before


def test_more_and_fewer_crystals_are_refused(
    own: tuple[Path, Path], cache: Path
) -> None:
    run, data = own
    first, *others = sorted(data.glob("*.cif"))
    others[0].rename(data / "another.cif")
    new = {"file": "another.cif"}
    gone = {first.name, others[0].name}
    _rewrite(
        data,
        lambda rows: [r for r in rows if r["file"] not in gone] + [rows[0] | new],
    )
    first.unlink()
    message = r"1 crystals are new \(another\); 2 crystals are gone \(mp"
    with pytest.raises(DataError, match=message):
        _resume(run, data, cache)


def test_another_structure_is_refused(own: tuple[Path, Path], cache: Path) -> None:
    run, data = own
    first, second, *_ = sorted(data.glob("*.cif"))
    first.write_text(second.read_text())
    with pytest.raises(DataError, match=r"other data: .*1 crystals have another struc"):
        _resume(run, data, cache)


def test_stretched_cells_are_refused(own: tuple[Path, Path], cache: Path) -> None:
    run, data = own
    first = min(data.glob("*.cif"))
    lines = [
        f"{name} {1.001 * float(number)}"
        for name, number in re.findall(
            r"(_cell_length_[abc]) +([.\d]+)", first.read_text()
        )
    ]
    rest = [x for x in first.read_text().splitlines() if "_cell_length" not in x]
    first.write_text("\n".join([rest[0], rest[1], *lines, *rest[2:]]))
    with pytest.raises(DataError, match="other data: their structures differ; start"):
        _resume(run, data, cache)


def test_other_given_parts_are_refused(
    config: Config, source: Path, cache: Path, tmp_path: Path
) -> None:
    ids = sorted(path.stem for path in source.glob("*.cif"))
    settings = override(config, [f"data.source={source}", "training.max_epochs=1"])
    parts = {"train": ids[:10], "val": ids[10:13], "test": ids[13:]}
    train(settings, tmp_path, cache=cache, splits=parts)
    swapped = parts | {"val": ids[13:], "test": ids[10:13]}
    with pytest.raises(DataError, match="6 crystals would be in another part"):
        train(settings, tmp_path, resume=True, cache=cache, splits=swapped)


def test_part_of_each_crystal_is_told(begun: Path) -> None:
    with (begun / "crystals.csv").open() as file:
        rows = list(csv.DictReader(file))
    with (begun / "predictions.csv").open() as file:
        test = {row["id"] for row in csv.DictReader(file)}
    assert {row["id"] for row in rows if row["part"] == "test"} == test
    assert len(rows) == 16
    assert all(float(row["band_gap"]) >= 0 for row in rows)


def test_run_without_a_record_goes_on_where_its_data_were(
    own: tuple[Path, Path], source: Path, cache: Path
) -> None:
    run, moved = own
    (run / "data.json").unlink()
    with pytest.raises(SiteNetError, match=r"has data\.source = "):
        _resume(run, moved, cache)
    _resume(run, source, cache)
    assert (run / "data.json").is_file()


@pytest.mark.parametrize("name", ["data.json", "crystals.csv"])
def test_damaged_record_is_named(
    name: str, own: tuple[Path, Path], cache: Path
) -> None:
    run, data = own
    _rewrite(data, lambda rows: rows[1:])
    (run / name).write_bytes(b"\xff")
    with pytest.raises(DataError, match=rf"{name}: damaged, it says what the run was"):
        _resume(run, data, cache)


def test_folds_of_changed_data_are_not_mixed(
    config: Config, source: Path, cache: Path, tmp_path: Path
) -> None:
    data = shutil.copytree(source, tmp_path / "data")
    settings = override(config, [f"data.source={data}", "training.max_epochs=1"])
    cross_validate(settings, tmp_path / "cv", 2, cache=cache)
    shutil.rmtree(tmp_path / "cv" / "fold_1")  # the one that was stopped
    _rewrite(data, lambda rows: rows[1:])
    with pytest.raises(DataError, match=r"fold_0/data\.json: .* 1 crystals are gone"):
        cross_validate(settings, tmp_path / "cv", 2, resume=True, cache=cache)


def test_second_run_in_a_folder_is_refused(
    config: Config, begun: Path, cache: Path, tmp_path: Path
) -> None:
    message = "another run is writing to this folder; wait for its end"
    with locked_folder(tmp_path / "run"), pytest.raises(SiteNetError, match=message):
        train(config, tmp_path / "run", cache=cache)
    with locked_folder(begun), pytest.raises(SiteNetError, match=message):
        train(config, begun, resume=True, cache=cache)
    with locked_folder(tmp_path / "cv"), pytest.raises(SiteNetError, match=message):
        cross_validate(config, tmp_path / "cv", 2, cache=cache)
