"""Which targets become classes, and which are refused."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from pyg_sitenet.config import DataConfig
from pyg_sitenet.data.classes import with_classes
from pyg_sitenet.data.dataset import CrystalDataset
from pyg_sitenet.data.prepare import prepare
from pyg_sitenet.data.sources import open_source
from pyg_sitenet.errors import ConfigError, DataError

CELL = {"lattice": [[4.1, 0, 0], [0, 4.1, 0], [0, 0, 4.1]], "frac_coords": [[0, 0, 0]]}
ELEMENTS = ("Cs", "Ne", "Li", "Kr", "Na", "Ar")


def _table(folder: Path, values: list[object]) -> str:
    path = folder / "table.json"
    rows = [
        {"id": f"c{k}", **CELL, "species": [ELEMENTS[k % 6]], "kind": value, "n": k}
        for k, value in enumerate(values)
    ]
    path.write_text(json.dumps(rows))
    return str(path)


def _config(source: str, **settings: object) -> DataConfig:
    defaults = {"source": source, "targets": ["kind"], "max_atoms": 4, "workers": 1}
    return DataConfig.model_validate(defaults | settings)


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (["metal", "insulator", "metal", None], ("insulator", "metal")),
        ([True, False, True, None], ("false", "true")),
        (["True", "false", "", "TRUE"], ("false", "true")),
    ],
)
def test_text_and_booleans_are_classes_and_a_line_says_so(
    tmp_path: Path,
    values: list[object],
    classes: tuple[str, ...],
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert with_classes(_config(_table(tmp_path, values))).classes == {"kind": classes}
    assert f"kind: labels, learnt as the classes {classes[0]} (1)" in caplog.text
    assert caplog.records[0].levelno == logging.WARNING


def test_numbers_are_classes_where_the_settings_say_so(tmp_path: Path) -> None:
    source = _table(tmp_path, [10, 2, 1.0, 2])
    assert with_classes(_config(source)).classes == {}
    config = with_classes(_config(source, classes={"kind": []}))
    assert config.classes == {"kind": ("1", "2", "10")}


def test_listed_classes_keep_their_order(tmp_path: Path) -> None:
    config = _config(_table(tmp_path, ["a", "b"]), classes={"kind": ["b", "a"]})
    assert with_classes(config) == config


def test_single_class_is_refused(tmp_path: Path) -> None:
    message = r"'kind' is 'a' for all 3 crystals; a classification needs two classes"
    with pytest.raises(DataError, match=message):
        with_classes(_config(_table(tmp_path, ["a", "a", None, "a"])))


def test_word_taken_for_a_gap_is_named_where_one_class_is_left(tmp_path: Path) -> None:
    source = _table(tmp_path, ["weak", "none", "weak", "none"])
    message = r"is 'weak' for all 2 .*, or list 'none' \(2\) in data\.classes if"
    with pytest.raises(DataError, match=message):
        with_classes(_config(source))


def test_names_are_no_classes(tmp_path: Path) -> None:
    source = _table(tmp_path, [f"name{k}" for k in range(101)])
    message = r"'kind' has 101 different labels in 101 crystals, such as 'name0', too"
    with pytest.raises(DataError, match=message):
        with_classes(_config(source))
    listed = {"kind": [f"name{k}" for k in range(101)]}
    config = _config(source, classes=listed)
    assert with_classes(config) == config


def test_numbers_with_their_unit_are_no_classes(tmp_path: Path) -> None:
    source = _table(tmp_path, ["1.5 eV", "2 eV", "0.3 eV", "2 eV"])
    message = r"3 different labels in 4 crystals, such as '1\.5 eV'.* written like 1\.5"
    with pytest.raises(DataError, match=message):
        with_classes(_config(source))


def test_classes_of_what_is_no_target_are_refused(tmp_path: Path) -> None:
    config = _config(_table(tmp_path, ["a", "b"]), classes={"sort": []})
    message = r"data\.classes names 'sort', which is no target; .* has kind"
    with pytest.raises(DataError, match=message):
        with_classes(config)


def test_bundled_numbers_are_not_looked_through(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pyg_sitenet.data.classes.open_source", None)
    config = DataConfig()
    assert with_classes(config) == config


@pytest.fixture
def prepared(tmp_path: Path) -> str:
    values = ["metal", "gas", "metal", "gas", "metal"]
    config = _config(_table(tmp_path, values), split="group:n")
    folder, ledger = prepare(config, tmp_path / "prepared")
    assert ledger.used == 5
    return str(folder.path)


def test_prepared_crystals_keep_classes_and_groups(
    tmp_path: Path, prepared: str
) -> None:
    classes = with_classes(_config(prepared)).classes
    assert classes == {"kind": ("gas", "metal")}
    dataset = CrystalDataset(
        tmp_path, prepared, ("kind",), classes=classes, group="n", max_atoms=4,
        environment="supercell", time_limit=60.0,
        pre_transform=_merging(),
    )  # fmt: skip
    assert dataset.y[:, 0].tolist() == [1, 0, 1, 0, 1]
    assert [data.group for data in dataset] == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("classes", "group", "message"),
    [
        ({}, "", r"'kind' was prepared as the classes \['gas', 'metal'\].*numbers"),
        ({"kind": ("metal", "gas")}, "", r"asked for are \['metal', 'gas'\]"),
        (
            {"kind": ("gas", "metal")},
            "kind",
            r"data.split = 'group:n', not 'group:kind'",
        ),
    ],
)
def test_other_classes_or_groups_than_prepared_are_refused(
    tmp_path: Path,
    prepared: str,
    classes: dict[str, tuple[str, ...]],
    group: str,
    message: str,
) -> None:
    with pytest.raises(ConfigError, match=message):
        CrystalDataset(tmp_path, prepared, ("kind",), classes=classes, group=group)


def test_prepared_numbers_do_not_become_classes(tmp_path: Path) -> None:
    source = _table(tmp_path, [1, 2, 1])
    folder, _ = prepare(_config(source), tmp_path / "prepared")
    config = _config(str(folder.path), classes={"kind": []})
    with pytest.raises(DataError, match=r"'kind' was prepared as numbers; prepare"):
        with_classes(config)


def _merging() -> object:
    from pyg_sitenet.transforms import MergeEquivalent

    return MergeEquivalent()


def test_words_for_nothing_are_no_classes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    values = ["metal", "N/A", "insulator", "NULL", "none", "#N/A", "metal", "n.a."]
    config = _config(_table(tmp_path, values))
    assert with_classes(config).classes == {"kind": ("insulator", "metal")}
    (note,) = open_source(config.source, ["kind"], classes={"kind": ()}).notes
    assert note.startswith("kind: 5 times 'N/A', 'NULL'")
    assert note not in caplog.text  # told once, with what else is known of the data


def test_labels_that_differ_in_capitals_alone_are_one_class(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = _table(tmp_path, ["Yes", "yes", "No", "no", "yes", "NO"])
    config = with_classes(_config(source))
    assert config.classes == {"kind": ("No", "yes")}
    dataset = CrystalDataset.from_config(tmp_path / "cache", config)
    assert dataset.y[:, 0].tolist() == [1, 1, 0, 0, 1, 0]
    remedy = "list each in data.classes to keep them apart"
    pairs = ["'Yes' taken as 'yes'", "'no' taken as 'No'", "'NO' taken as 'No'"]
    assert caplog.records[0].message == f"kind: {', '.join(pairs)}; {remedy}"
    caplog.clear()  # the same of classes that are listed, in the order of letters
    with_classes(_config(source, classes={"kind": ["No", "yes"]}))
    (record,) = caplog.records
    assert record.message == f"kind: {pairs[2]}, {pairs[0]}, {pairs[1]}; {remedy}"


def test_what_is_not_known_is_not_taken_for_a_class(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = _table(tmp_path, ["none", "some", None, "none"])
    with_classes(_config(source, classes={"kind": ["none", "some"]}))
    assert caplog.records == []


def test_decimal_commas_are_numbers_rather_than_classes(tmp_path: Path) -> None:
    source = _table(tmp_path, ["0,0", "0,5", "1,0", "0,5", "0,0", "1,0"])
    assert with_classes(_config(source)).classes == {}


def test_numbers_that_all_differ_are_no_classes(tmp_path: Path) -> None:
    source = _table(tmp_path, [0.1 * k for k in range(30)])
    with pytest.raises(
        DataError, match="has 30 different labels in 30 crystals, such as"
    ):
        with_classes(_config(source, classes={"kind": []}))


def test_missing_value_is_no_sodium(tmp_path: Path) -> None:
    source = _table(tmp_path, ["Na", "K", "NA", "N/A", "na", "K"])
    config = with_classes(_config(source))
    assert config.classes == {"kind": ("K", "Na")}
    dataset = CrystalDataset.from_config(tmp_path / "cache", config)
    assert dataset.y[:, 0].tolist() == [1, 0, 0]
    listed = _config(source, classes={"kind": ["NA", "Na", "K"]})
    dataset = CrystalDataset.from_config(tmp_path / "cache", with_classes(listed))
    assert dataset.y[:, 0].tolist() == [1, 2, 0, 2]  # na may be either
    both = listed.model_copy(update={"targets": ("n", "kind")})
    dataset = CrystalDataset.from_config(tmp_path / "cache", both)
    assert dataset.y[4].isnan().tolist() == [False, True]


def test_labels_are_alike_in_either_form_of_their_accents(tmp_path: Path) -> None:
    source = _table(tmp_path, ["\u00e1", "a\u0301", "b", "b"])
    config = with_classes(_config(source))
    assert config.classes == {"kind": ("b", "\u00e1")}
