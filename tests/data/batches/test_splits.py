"""Splits that keep what is alike together, and folds that test every crystal once."""

from __future__ import annotations

import numpy as np
import pytest

from pyg_sitenet.config import DataConfig
from pyg_sitenet.data.batches.splits import make_splits
from pyg_sitenet.errors import DataError

# 100 crystals of 40 formulas, some with many polymorphs.
FORMULAS = [f"A{k}" for k in np.random.default_rng(0).zipf(1.5, 100) % 40]


def _split(**settings: object) -> dict[str, np.ndarray]:
    config = DataConfig.model_validate({"split": "composition"} | settings)
    return make_splits(config, FORMULAS)


@pytest.mark.parametrize("settings", [{}, {"folds": 4, "fold": 2}])
@pytest.mark.parametrize("seed", range(5))
def test_polymorphs_of_a_formula_are_in_one_part(seed, settings):
    parts = _split(split_seed=seed, calibration_fraction=0.1, **settings)
    joined = np.concatenate(list(parts.values()))
    assert sorted(joined) == list(range(100))
    formulas = {name: {FORMULAS[i] for i in part} for name, part in parts.items()}
    assert not formulas["train"] & formulas["test"]
    assert not formulas["train"] & formulas["val"]
    assert not formulas["val"] & formulas["test"]
    assert not formulas["calibration"] & (formulas["train"] | formulas["val"])
    assert not formulas["calibration"] & formulas["test"]
    assert all(formulas.values())


def test_composition_split_is_about_as_large_as_asked():
    parts = _split()
    assert 12 <= len(parts["test"]) <= 20
    assert len(parts["val"]) <= 8


@pytest.mark.parametrize("split", ["random", "composition"])
def test_every_crystal_is_tested_in_one_fold(split):
    tests = [_split(split=split, folds=5, fold=fold)["test"] for fold in range(5)]
    assert sorted(np.concatenate(tests)) == list(range(100))
    if split == "random":
        assert [len(part) for part in tests] == [20] * 5


def test_test_part_does_not_depend_on_validation():
    first, other = (_split(val_fraction=val)["test"] for val in (0.1, 0.4))
    assert first.tolist() == other.tolist()


def test_group_larger_than_a_part_leaves_it_something():
    parts = make_splits(DataConfig(split="composition"), ["A"] * 8 + ["B"] * 9)
    assert sorted(map(len, parts.values())) == [0, 0, 8, 9]
    assert len(parts["train"]) > 0
    assert len(parts["test"]) > 0


def test_one_formula_is_trained_on():
    parts = make_splits(DataConfig(split="composition"), ["A"] * 5)
    assert [len(parts[name]) for name in ("train", "val", "test")] == [5, 0, 0]


def test_fewer_groups_than_folds_is_an_error():
    with pytest.raises(DataError, match="2 crystals or groups cannot make 3 folds"):
        make_splits(DataConfig(split="composition", folds=3), ["A", "B", "A"])


@pytest.mark.parametrize("settings", [{}, {"folds": 4, "fold": 1}])
@pytest.mark.parametrize("seed", range(5))
def test_no_group_of_a_column_is_in_two_parts(seed, settings):
    families = [f"family {k}" for k in np.random.default_rng(seed).integers(0, 12, 90)]
    options = {"split": "group:family", "split_seed": seed, "calibration_fraction": 0.2}
    parts = make_splits(DataConfig.model_validate(options | settings), families)
    assert sorted(np.concatenate(list(parts.values()))) == list(range(90))
    result = [{families[i] for i in part} for part in parts.values()]
    assert sum(map(len, result)) == len(set(families))
    assert all(result)


def test_too_few_groups_for_the_parts_are_an_error():
    config = DataConfig(split="group:family")
    message = r"2 groups of 4 crystals cannot fill 3 parts \(training, test, valid"
    with pytest.raises(DataError, match=message):
        make_splits(config, ["a", "a", "b", "b"])
    folds = DataConfig(split="group:family", folds=3, val_fraction=0)
    with pytest.raises(DataError, match="2 crystals or groups cannot make 3 folds"):
        make_splits(folds, ["a", "a", "b", "b"])


@pytest.mark.parametrize("settings", [{}, {"folds": 5, "fold": 3}])
@pytest.mark.parametrize("seed", range(5))
def test_each_part_has_its_share_of_each_class(seed, settings):
    labels = ["0"] * 100 + ["1"] * 40 + ["2"] * 10
    np.random.default_rng(seed).shuffle(labels)
    options = {"split_seed": seed, "calibration_fraction": 0.1}
    config = DataConfig.model_validate(options | settings)
    parts = make_splits(config, [""] * 150, labels)
    assert sorted(np.concatenate(list(parts.values()))) == list(range(150))
    counts = [[labels[i] for i in parts["test"]].count(label) for label in "012"]
    assert np.abs(np.array(counts) - [20, 8, 2]).max() <= 1
    assert len(parts["val"]) == len(parts["calibration"]) == 12
    counts = [[labels[i] for i in parts["val"]].count(label) for label in "012"]
    assert np.abs(np.array(counts) - [8, 3.2, 0.8]).max() <= 1


def test_many_pairs_of_classes_leave_a_test_part():
    # Two targets of ten classes, hardly a pair of them twice; one is not known.
    random = np.random.default_rng(0)
    labels = [f"{a} {b}" for a, b in random.integers(0, 10, (80, 2))] + ["nan 3"]
    parts = make_splits(DataConfig(val_fraction=0.2), [""] * 81, labels)
    assert len(parts["test"]) == 16
    assert len(parts["val"]) == 13
    for place in (0, 1):
        classes = {labels[i].split()[place] for i in parts["train"]}
        assert classes >= {str(number) for number in range(10)}


@pytest.mark.parametrize("seed", range(10))
def test_rare_class_is_trained_on(seed):
    labels = ["0"] * 30 + ["1"] + ["2"] * 2 + ["nan"] * 3
    config = DataConfig(split_seed=seed, test_fraction=0.5, val_fraction=0.5)
    parts = make_splits(config, [""] * 36, labels)
    assert {labels[i] for i in parts["train"]} >= {"0", "1", "2"}
    assert sorted(np.concatenate(list(parts.values()))) == list(range(36))


def test_folds_of_classes_test_every_crystal_once():
    labels = ["0"] * 31 + ["1"] * 12
    configs = [DataConfig(folds=4, fold=fold) for fold in range(4)]
    tests = [make_splits(config, [""] * 43, labels)["test"] for config in configs]
    assert sorted(np.concatenate(tests)) == list(range(43))
    assert sorted(map(len, tests)) == [10, 11, 11, 11]
    with pytest.raises(DataError, match="2 crystals or groups cannot make 4 folds"):
        make_splits(configs[0], ["", ""], ["0", "1"])
