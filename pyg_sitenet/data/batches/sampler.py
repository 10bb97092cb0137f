"""Batches of whole crystals whose sites and pairs stay within a budget."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from pyg_sitenet.data.batches.budget import cut
from pyg_sitenet.errors import DataError

_TRIALS = 4
_LARGE = 0.1  # of a batch


class BudgetBatchSampler(Sampler[list[int]]):
    r"""Batches bounded by their unique sites, their pairs and their crystals.

    Pairs are what a step's memory grows with, so the second bound keeps it in hand
    whatever the crystals. A crystal above a budget forms a batch of its own.

    With ``shuffle`` the crystals are drawn in a new order each epoch and each goes to
    the batch that is emptiest, so that all batches of an epoch are about equally full.
    The order depends on ``seed`` and epoch alone. The number of batches is the same in
    every epoch: trainers count them once. Without ``shuffle`` the order is kept.

    Several processes share the batches out, every crystal to one of them. With
    ``shuffle`` the number of batches is a multiple of theirs, so that all take equally
    many steps; without it some may have one more than others.

    Args:
        num_sites: Unique sites of each crystal.
        num_pairs: Pairs (edges) of each crystal.
        max_sites: Most unique sites in a batch. (default: ``1200``)
        max_pairs: Most pairs in a batch. (default: ``600000``)
        max_crystals: Most crystals in a batch with ``shuffle``. (default: ``None``, any
            number)
        shuffle: Draw a new order each epoch. (default: ``False``)
        seed: Together with the epoch, decides the order. (default: ``0``)
        num_replicas: Processes that share the batches out. (default: ``1``)
        rank: Which of them this is. (default: ``0``)

    Raises:
        ValueError: If the two lists differ in length, a size or budget is below 1, or
            there is no such rank.
        DataError: If there are too few crystals for each process to have as many steps.

    Example:
        >>> list(BudgetBatchSampler([2, 2, 3], [4, 4, 9], max_sites=4, max_pairs=9))
        [[0, 1], [2]]
    """

    def __init__(
        self,
        num_sites: Sequence[int],
        num_pairs: Sequence[int],
        *,
        max_sites: int = 1200,
        max_pairs: int = 600_000,
        max_crystals: int | None = None,
        shuffle: bool = False,
        seed: int = 0,
        num_replicas: int = 1,
        rank: int = 0,
    ) -> None:
        _check_budget(num_sites, num_pairs, max_sites, max_pairs)
        if not 0 <= rank < num_replicas:
            raise ValueError(
                f"`rank` must be from 0 to {num_replicas - 1} (below `num_replicas`), "
                f"got {rank}"
            )
        self.num_replicas = num_replicas
        self.rank = rank
        self._skip = 0
        self.max_sites = max_sites
        self.max_pairs = max_pairs
        self.shuffle = shuffle
        self.seed = seed
        self.epoch = 0
        # Rows: sites, pairs, crystals. The fullest of the three decides.
        sizes = np.array([num_sites, num_pairs, np.ones(len(num_sites))], np.int64)
        limits = [max_sites, max_pairs, max_crystals or len(num_sites) + 1]
        self._sizes, self._limits = sizes, np.array(limits, np.int64)[:, None]
        if shuffle:
            self._num_batches, self._packing_that_fits = self._find_num_batches()
        else:
            places, size_of = range(len(num_sites)), sizes[:2].T.tolist()
            batches = cut(places, size_of.__getitem__, max_sites, max_pairs)
            self._in_order = list(batches)
            self._num_batches = len(self._in_order)

    @property
    def sampler(self) -> BudgetBatchSampler:
        """This sampler: Lightning calls ``set_epoch`` of what it finds here."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration draws its order for."""
        self.epoch = epoch

    def skip_once(self, num_batches: int) -> None:
        """Leave the first batches of the next iteration out: they are done."""
        self._skip = num_batches

    def __len__(self) -> int:
        return len(range(self.rank, self._num_batches, self.num_replicas))

    def __iter__(self) -> Iterator[list[int]]:
        share = self._all_batches()[self.rank :: self.num_replicas]
        skip, self._skip = self._skip, 0
        return iter(share[skip:])

    def _all_batches(self) -> list[list[int]]:
        if not self.shuffle:
            return self._in_order
        random = np.random.default_rng([self.seed, self.epoch])
        for _ in range(_TRIALS):
            batches = self._pack(random, self._num_batches)
            if batches is not None:
                return batches
        # A set so tight that luck is needed: in another order, but a packing that fits.
        return [
            self._packing_that_fits[k] for k in random.permutation(self._num_batches)
        ]

    def _find_num_batches(self) -> tuple[int, list[list[int]]]:
        """Find the fewest batches that random orders fill without overflowing."""
        random = np.random.default_rng(self.seed)
        fits = self._fits_a_batch()
        fewest = -(-self._sizes[:, fits].sum(axis=1, keepdims=True) // self._limits)
        count = len(fits) - int(fits.sum()) + int(fewest.max())
        while True:
            count = self._multiple(count)
            trials = [self._pack(random, count) for _ in range(_TRIALS)]
            fitting_trials = [batches for batches in trials if batches is not None]
            if len(fitting_trials) == _TRIALS:
                return count, fitting_trials[0]
            grown = count + max(1, count // 50)
            count = max(count + 1, min(grown, len(fits)))

    def _multiple(self, count: int) -> int:
        """Round up to a multiple of the processes, none of whose batches is empty."""
        rounded = -(-count // self.num_replicas) * self.num_replicas
        if rounded > self._sizes.shape[1]:
            raise DataError(
                f"{self._sizes.shape[1]} crystals in batches within the budget cannot "
                f"be shared equally by {self.num_replicas} processes; train on fewer "
                "devices or raise data.max_sites and data.max_pairs"
            )
        return rounded

    def _pack(self, random: np.random.Generator, count: int) -> list[list[int]] | None:
        """Spread a random order over ``count`` batches; None if one does not fit."""
        fits = self._fits_a_batch()
        order = self._draw_order(random)
        batches = [[int(i)] for i in order[~fits[order]]]
        free = count - len(batches)
        loads = np.zeros((len(self._sizes), free), dtype=np.int64)
        spread: list[list[int]] = [[] for _ in range(free)]
        for i in order[fits[order]]:
            filled = loads + self._sizes[:, i, None]
            k = int((filled / self._limits).max(axis=0).argmin()) if free else -1
            if k < 0 or (filled[:, k, None] > self._limits).any():
                return None
            loads[:, k] = filled[:, k]
            spread[k].append(int(i))
        batches += spread
        return [batches[k] for k in random.permutation(count)]

    def _draw_order(self, random: np.random.Generator) -> NDArray[np.int64]:
        """Draw an order, crystals that fill much of a batch first: they fit no gap."""
        size = (self._sizes / self._limits).max(axis=0)
        large = size > _LARGE
        blurred = size * random.uniform(0.7, 1.0, len(size))
        order: NDArray[np.int64] = np.lexsort(
            (random.random(len(size)), np.where(large, -blurred, 0.0))
        )
        return order

    def _fits_a_batch(self) -> NDArray[np.bool_]:
        fits: NDArray[np.bool_] = np.all(self._sizes <= self._limits, axis=0)
        return fits


def _check_budget(
    num_sites: Sequence[int], num_pairs: Sequence[int], max_sites: int, max_pairs: int
) -> None:
    if len(num_sites) != len(num_pairs):
        raise ValueError(
            "`num_sites` and `num_pairs` must have one entry per crystal each, "
            f"got {len(num_sites)} and {len(num_pairs)}"
        )
    if max_sites < 1 or max_pairs < 1:
        raise ValueError(
            "`max_sites` and `max_pairs` must be at least 1, "
            f"got {max_sites} and {max_pairs}"
        )
    if min(chain(num_sites, num_pairs), default=1) < 1:
        raise ValueError("every crystal must have at least 1 site and 1 pair")
