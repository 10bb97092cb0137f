"""Fixed splits of a data set and the loaders of its parts."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from lightning import LightningDataModule
from torch.utils.data import DataLoader
from torch_geometric.data import Batch

from pyg_sitenet.brief import brief
from pyg_sitenet.config import DataConfig
from pyg_sitenet.data.batches.loader import Loading
from pyg_sitenet.data.batches.sampler import BudgetBatchSampler
from pyg_sitenet.data.batches.splits import Indices, make_splits
from pyg_sitenet.data.dataset import CrystalDataset
from pyg_sitenet.errors import DataError

_logger = logging.getLogger(__name__)


def splits_by_id(
    dataset: CrystalDataset, splits: Mapping[str, Sequence[str]]
) -> dict[str, Indices]:
    """Return where the crystals of given parts are in a data set.

    Args:
        dataset: The crystals.
        splits: Ids of the parts ``"train"``, ``"val"``, ``"test"`` and, if there is
            one, ``"calibration"``; those that the data set does not have are left out,
            which is logged unless they failed.

    Returns:
        Indices of each part, in the order of its ids.

    Raises:
        DataError: If a part is missing or unknown, a crystal is in two of them, or a
            part has ids and the data set none of them.
    """
    if set(splits) - {"calibration"} != {"train", "val", "test"}:
        raise DataError(
            f"`splits` must have the parts train, val and test, got {sorted(splits)}"
        )
    graphs = defaultdict(list)  # a disordered crystal has several
    for position, id_ in enumerate(dataset.ids):
        graphs[id_].append(position)
    part_of: dict[str, str] = {}
    for part, ids in splits.items():
        for id_ in ids:
            if id_ in part_of:
                raise DataError(
                    f"`splits` has {id_!r} in {part_of[id_]} and again in {part}; a"
                    " crystal belongs to one part"
                )
            part_of[id_] = part
    _tell_missing(dataset, splits, graphs)
    return {
        part: np.array([k for id_ in ids for k in graphs.get(id_, [])], dtype=np.int64)
        for part, ids in splits.items()
    }


def _tell_missing(
    dataset: CrystalDataset,
    splits: Mapping[str, Sequence[str]],
    graphs: Mapping[str, Sequence[int]],
) -> None:
    """Log ids that no crystal has; refuse a part that has no other."""
    failed = {failure.id for failure in dataset.failures}
    for part, ids in splits.items():
        missing = [id_ for id_ in ids if id_ not in graphs]
        if missing and len(missing) == len(ids):
            raise DataError(
                f"`splits`: no usable crystal has an id of {part} ({brief(missing)});"
                f" give ids of the data, such as {brief(dataset.ids[:1])}"
            )
        unknown = [id_ for id_ in missing if id_ not in failed]
        if unknown:
            _logger.warning(
                "splits: no crystal has %d of the ids of %s: %s",
                len(unknown), part, brief(unknown),
            )  # fmt: skip


def first_graphs(ids: Sequence[str]) -> Indices:
    """Return the index of the first graph of each crystal, [num_crystals].

    Args:
        ids: Crystal of each graph; those of one follow each other.
    """
    changes = [k for k, id_ in enumerate(ids) if k == 0 or id_ != ids[k - 1]]
    return np.array(changes, dtype=np.int64)


class CrystalDataModule(LightningDataModule):
    """Loaders of a data set's parts, in batches bounded by sites and pairs.

    Args:
        dataset: The crystals.
        config: Fractions and seed of the split and the budgets of a batch.
        seed: Decides the order in training, together with the epoch.
        splits: Indices of the parts ``"train"``, ``"val"``, ``"test"`` and, if there
            is one, ``"calibration"``, if they are given rather than drawn, as by a
            benchmark.
        num_replicas: Processes that share the training and validation batches out.
        rank: Which of them this is.
        loading: How batches are made. (default: in this process)

    Raises:
        DataError: If the training part is empty.
    """

    def __init__(
        self,
        dataset: CrystalDataset,
        config: DataConfig,
        seed: int = 0,
        splits: Mapping[str, Indices] | None = None,
        *,
        num_replicas: int = 1,
        rank: int = 0,
        loading: Loading | None = None,
    ) -> None:
        super().__init__()
        self.dataset = dataset
        self.config = config
        self.seed = seed
        self.num_replicas = num_replicas
        self.rank = rank
        self.loading = loading or Loading()
        self.splits = splits or self._draw_splits()
        if "calibration" not in self.splits:
            if config.calibration_fraction:
                raise DataError(
                    "data.calibration_fraction is set, and the given splits have no "
                    "part calibration; add it to them or set the fraction to 0"
                )
            self.splits = {**self.splits, "calibration": np.empty(0, dtype=np.int64)}
        if not len(self.splits["train"]):
            raise DataError(f"no crystal to train on among {len(dataset)}")

    def part(self, name: str) -> CrystalDataset:
        """Return the crystals of one part, such as ``"test"``."""
        chosen = self.dataset.index_select(self.splits[name].tolist())
        if not isinstance(chosen, CrystalDataset):
            raise TypeError(f"expected a CrystalDataset, got {type(chosen).__name__}")
        return chosen

    def train_dataloader(self) -> DataLoader[Batch]:
        """Return this process's batches of the training part, anew each epoch."""
        return self._loader(self.part("train"), shuffle=True, shared=True)

    def val_dataloader(self) -> DataLoader[Batch]:
        """Return this process's batches of the validation part."""
        return self._loader(self.part("val"), shuffle=False, shared=True)

    def test_dataloader(self) -> DataLoader[Batch]:
        """Return batches of the test part, in order."""
        return self.ordered_dataloader("test")

    def ordered_dataloader(self, name: str) -> DataLoader[Batch]:
        """Return batches of all crystals of a part, in order."""
        return self.ordered_batches(self.part(name))

    def ordered_batches(self, crystals: CrystalDataset) -> DataLoader[Batch]:
        """Return batches of some crystals of the data set, in order."""
        return self._loader(crystals, shuffle=False, shared=False)

    def _draw_splits(self) -> dict[str, Indices]:
        """Split crystals, and with them all orderings of one that is disordered."""
        starts = first_graphs(self.dataset.ids)
        labels = self._labels(starts)
        crystals = make_splits(self.config, self._groups(starts), labels)
        ends = np.append(starts[1:], len(self.dataset))
        graphs = [np.arange(*span) for span in zip(starts, ends, strict=True)]
        none = np.zeros(0, dtype=np.int64)
        return {
            name: np.concatenate([none, *(graphs[k] for k in chosen)])
            for name, chosen in crystals.items()
        }

    def _groups(self, starts: Indices) -> list[str]:
        """Return the group of each crystal, which stays in one part of the split."""
        if self.config.split == "random":
            return [""] * len(starts)
        key = "group" if self.config.group else "formula"
        return [self.dataset[int(k)][key] for k in starts]

    def _labels(self, starts: Indices) -> list[str]:
        """Return the class of each crystal, of several targets all.

        Without targets of classes there are none.
        """
        columns = [
            t
            for t, name in enumerate(self.dataset.targets)
            if self.config.classes.get(name)
        ]
        if not columns:
            return []
        rows = self.dataset.y[starts][:, columns].tolist()
        return [" ".join(f"{value:g}" for value in row) for row in rows]

    def _loader(
        self, crystals: CrystalDataset, *, shuffle: bool, shared: bool
    ) -> DataLoader[Batch]:
        sampler = BudgetBatchSampler(
            crystals.num_sites,
            crystals.num_pairs,
            max_sites=self.config.max_sites,
            max_pairs=self.config.max_pairs,
            max_crystals=self.config.max_crystals,
            shuffle=shuffle,
            seed=self.seed,
            num_replicas=self.num_replicas if shared else 1,
            rank=self.rank if shared else 0,
        )
        return self.loading.loader(crystals, sampler)
