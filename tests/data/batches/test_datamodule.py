import json
import warnings
from itertools import islice

import numpy as np
import pytest
import torch
from lightning import LightningModule, Trainer

from pyg_sitenet.config import DataConfig
from pyg_sitenet.data.batches.datamodule import CrystalDataModule, splits_by_id
from pyg_sitenet.data.batches.splits import split_crystals
from pyg_sitenet.data.dataset import CrystalDataset
from pyg_sitenet.data.readers.named.bundled import BUNDLED
from pyg_sitenet.errors import DataError

CONFIG = DataConfig(max_atoms=10, max_sites=40)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    root = tmp_path_factory.mktemp("cache")
    rows = islice(BUNDLED["dielectric"].rows(), 120)
    (root / "table.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return CrystalDataset(root, root / "table.jsonl", max_atoms=20)


class Watcher(LightningModule):
    """Notes which crystals each epoch sees."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.epochs, self.checked = [[]], 0

    def training_step(self, batch, _index):
        self.epochs[-1].append(batch.id)
        return self.weight * batch.y.sum()

    def validation_step(self, batch, _index):
        self.checked += batch.num_graphs

    def on_train_epoch_end(self):
        self.epochs.append([])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.0)


@pytest.mark.parametrize("num_crystals", [1, 2, 3, 10, 1056])
@pytest.mark.parametrize("fractions", [(0.2, 0.1), (0.0, 0.0), (0.99, 0.99)])
def test_every_crystal_is_in_one_part(num_crystals, fractions):
    parts = split_crystals(num_crystals, *fractions, seed=3)
    joined = np.concatenate(list(parts.values()))
    assert sorted(joined) == list(range(num_crystals))
    assert len(parts["train"]) >= 1
    assert all((np.diff(part) > 0).all() for part in parts.values())


def test_split_has_the_asked_sizes():
    parts = split_crystals(1056, 0.2, 0.1, seed=0)
    assert {name: len(part) for name, part in parts.items()} == {
        "train": 761,
        "val": 84,
        "calibration": 0,
        "test": 211,
    }


def test_calibration_part_is_kept_apart_from_the_others():
    parts = split_crystals(1056, 0.2, 0.1, seed=0, calibration_fraction=0.1)
    sizes = {name: len(part) for name, part in parts.items()}
    assert sizes == {"train": 677, "val": 84, "calibration": 84, "test": 211}
    assert sorted(np.concatenate(list(parts.values()))) == list(range(1056))
    assert (parts["test"] == split_crystals(1056, 0.2, 0.1, seed=0)["test"]).all()


def test_test_part_does_not_depend_on_validation():
    first, other = (split_crystals(100, 0.2, val, seed=5) for val in (0.1, 0.5))
    assert (first["test"] == other["test"]).all()
    assert len(first["val"]) != len(other["val"])


def test_split_depends_on_its_seed_alone():
    again = [split_crystals(100, 0.2, 0.1, seed)["test"].tolist() for seed in (1, 1, 2)]
    assert again[0] == again[1] != again[2]


def test_one_crystal_is_trained_on():
    parts = split_crystals(1, 0.2, 0.1, seed=0)
    assert [len(parts[name]) for name in ("train", "val", "test")] == [1, 0, 0]


def test_loaders_give_the_parts_in_batches_within_the_budget(dataset):
    module = CrystalDataModule(dataset, CONFIG)
    for name in ("train", "val", "test"):
        batches = list(getattr(module, f"{name}_dataloader")())
        ids = [id_ for batch in batches for id_ in batch.id]
        expected = [dataset[int(i)].id for i in module.splits[name]]
        assert sorted(ids) == sorted(expected)
        assert all(batch.num_nodes <= 40 for batch in batches)
        if name != "train":
            assert ids == expected


def test_empty_part_has_no_batches(dataset):
    module = CrystalDataModule(dataset[:1], CONFIG)
    assert len(module.train_dataloader()) == 1
    assert list(module.val_dataloader()) == list(module.test_dataloader()) == []


def test_given_splits_are_used(dataset):
    splits = {"train": np.arange(3), "val": np.array([5]), "test": np.array([], int)}
    module = CrystalDataModule(dataset, CONFIG, splits=splits)
    assert [data.id for data in module.part("val")] == [dataset[5].id]
    splits = splits | {"train": np.array([], int)}
    with pytest.raises(DataError, match="no crystal to train on among 120"):
        CrystalDataModule(dataset, CONFIG, splits=splits)


def _fit(dataset, tmp_path, epochs, watcher=None):
    watcher = watcher or Watcher()
    trainer = Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # advice about workers
        trainer.fit(watcher, CrystalDataModule(dataset, CONFIG, seed=1))
    return watcher, trainer


def test_trainer_sees_every_crystal_once_in_each_epoch_in_a_new_order(
    dataset, tmp_path
):
    watcher, _ = _fit(dataset, tmp_path, 6)
    module = CrystalDataModule(dataset, CONFIG)
    expected = sorted(dataset[int(i)].id for i in module.splits["train"])
    epochs = watcher.epochs[:6]
    for batches in epochs:
        assert sorted(id_ for batch in batches for id_ in batch) == expected
    assert len({str(batches) for batches in epochs}) == 6
    assert watcher.checked >= 6 * len(module.splits["val"])


def test_order_follows_the_epoch_as_a_resumed_run_needs(dataset, tmp_path):
    watcher, _ = _fit(dataset, tmp_path, 3)
    loader = CrystalDataModule(dataset, CONFIG, seed=1).train_dataloader()
    loader.batch_sampler.set_epoch(2)
    assert [batch.id for batch in loader] == watcher.epochs[2]


def test_parts_by_id_keep_the_order_of_the_ids(dataset):
    ids = [dataset[i].id for i in (5, 3, 8)]
    splits = splits_by_id(dataset, {"train": ids, "val": [], "test": []})
    assert {part: i.tolist() for part, i in splits.items()} == {
        "train": [5, 3, 8],
        "val": [],
        "test": [],
    }


def test_ids_that_no_crystal_has_are_told(dataset, caplog):
    """A typing error would empty a part in silence."""
    ids = dataset.ids
    parts = {"train": ids[:5], "val": [ids[5], "none"], "test": []}
    assert splits_by_id(dataset, parts)["val"].tolist() == [5]
    assert "no crystal has 1 of the ids of val: ['none']" in caplog.text
    message = rf"no usable crystal has an id of val \(\['none'\]\).* as \['{ids[0]}'\]"
    with pytest.raises(DataError, match=message):
        splits_by_id(dataset, {**parts, "val": ["none"]})


def test_crystal_in_two_parts_is_refused(dataset):
    id_ = dataset[0].id
    with pytest.raises(DataError, match=f"'{id_}' in train and again in test"):
        splits_by_id(dataset, {"train": [id_], "val": [], "test": [id_]})


def test_missing_part_is_named(dataset):
    with pytest.raises(DataError, match=r"must have the parts .* got \['train'\]"):
        splits_by_id(dataset, {"train": []})


def test_orderings_of_a_crystal_stay_in_one_part(tmp_path):
    salt = {"lattice": {"matrix": [[0, 3, 3], [3, 0, 3], [3, 3, 0]]}}
    with (tmp_path / "t.jsonl").open("w") as file:
        for number in range(20):
            share = 0.5 if number % 2 else 1.0
            species = [{"element": "Na", "occu": share}]
            species += [{"element": "K", "occu": 0.5}] * (number % 2)
            sites = [
                {"species": species, "abc": [0, 0, 0]},
                {"species": [{"element": "Cl", "occu": 1}], "abc": [0.5] * 3},
            ]
            row = {"id": f"c{number}", "band_gap": 1.0, "structure": salt}
            row["structure"] = salt | {"sites": sites}
            file.write(json.dumps(row) + "\n")
    data = CrystalDataset(
        tmp_path, tmp_path / "t.jsonl", max_atoms=8, disorder="enumerate"
    )
    assert len(data) == 30
    parts = CrystalDataModule(data, CONFIG).splits
    assert sorted(np.concatenate(list(parts.values()))) == list(range(30))
    ids = {name: {data.ids[k] for k in part} for name, part in parts.items()}
    assert {name: len(part) for name, part in ids.items()} == {
        "train": 14,
        "val": 2,
        "calibration": 0,
        "test": 4,
    }
    assert not ids["train"] & ids["val"] | ids["train"] & ids["test"]
    assert not ids["val"] & ids["test"]
