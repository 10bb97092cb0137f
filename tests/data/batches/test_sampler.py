import numpy as np
import pytest

from pyg_sitenet.data.batches.sampler import BudgetBatchSampler
from pyg_sitenet.errors import DataError


@pytest.fixture
def sizes():
    """Sites and pairs of 300 crystals like those of a database."""
    random = np.random.default_rng(7)
    sites = np.clip(random.lognormal(1.8, 0.7, 300).astype(int), 1, 60)
    return sites, sites * random.integers(40, 100, 300)


def _sampler(sizes, **options):
    options = {"max_sites": 150, "max_pairs": 8000, "shuffle": True} | options
    return BudgetBatchSampler(*sizes, **options)


@pytest.mark.parametrize("shuffle", [True, False])
def test_every_crystal_is_in_one_batch_of_each_epoch(sizes, shuffle):
    sampler = _sampler(sizes, shuffle=shuffle)
    for epoch in range(20):
        sampler.set_epoch(epoch)
        batches = list(sampler)
        assert sorted(i for batch in batches for i in batch) == list(range(300))
        assert len(batches) == len(sampler)
        assert all(batches)


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize(
    ("max_sites", "max_pairs"), [(100, 10**6), (10**6, 6000), (120, 8000), (61, 6100)]
)
def test_no_batch_exceeds_a_budget(sizes, shuffle, max_sites, max_pairs):
    sampler = _sampler(sizes, shuffle=shuffle, max_sites=max_sites, max_pairs=max_pairs)
    sites, pairs = sizes
    for epoch in range(5):
        sampler.set_epoch(epoch)
        assert all(sites[batch].sum() <= max_sites for batch in sampler)
        assert all(pairs[batch].sum() <= max_pairs for batch in sampler)


@pytest.mark.parametrize("shuffle", [True, False])
def test_crystal_above_the_budget_forms_its_own_batch(shuffle):
    sampler = BudgetBatchSampler(
        [2, 500, 2, 2], [4, 5, 900, 4], max_sites=10, max_pairs=100, shuffle=shuffle
    )
    batches = list(sampler)
    assert [1] in batches
    assert [2] in batches
    assert sorted(map(len, batches)) == sorted([1, 1, 2] if shuffle else [1, 1, 1, 1])


def test_batches_are_nearly_full(sizes):
    sites, pairs = sizes
    least = max(sites.sum() / 150, pairs.sum() / 8000)
    assert len(_sampler(sizes)) <= 1.1 * least + 1


def test_crystals_that_fill_much_of_a_batch_leave_few_gaps(sizes):
    sites, _ = sizes
    batches = _sampler(sizes, max_sites=61, max_pairs=10**9)
    assert len(batches) <= 1.15 * sites.sum() / 61


def test_batches_of_an_epoch_are_about_equally_full(sizes):
    sites, _ = sizes
    loads = [sites[batch].sum() for batch in _sampler(sizes, max_pairs=10**9)]
    assert min(loads) > 0.8 * max(loads)


def test_epochs_differ_and_depend_on_seed_and_epoch_alone(sizes):
    first, second = _sampler(sizes, seed=3), _sampler(sizes, seed=3)
    orders = []
    for epoch in (0, 1):
        first.set_epoch(epoch)
        second.set_epoch(epoch)
        orders.append(list(first))
        assert list(first) == list(second) == orders[-1]
    assert orders[0] != orders[1]
    companions = [{frozenset(batch) for batch in order} for order in orders]
    assert not companions[0] & companions[1]
    assert list(_sampler(sizes, seed=4)) != orders[0]


def test_order_is_kept_without_shuffling(sizes):
    flat = [i for batch in _sampler(sizes, shuffle=False) for i in batch]
    assert flat == list(range(300))


def test_packing_that_needs_luck_still_fits_every_epoch():
    # Thirds and halves of the budget: most orders overflow the fewest batches.
    sites = [50, 34, 33, 16] * 12
    sampler = BudgetBatchSampler(
        sites, sites, max_sites=100, max_pairs=100, shuffle=True
    )
    for epoch in range(50):
        sampler.set_epoch(epoch)
        batches = list(sampler)
        assert len(batches) == len(sampler)
        assert all(sum(sites[i] for i in batch) <= 100 for batch in batches)


@pytest.mark.parametrize("shuffle", [True, False])
def test_one_crystal_or_none(shuffle):
    assert list(BudgetBatchSampler([1], [1], shuffle=shuffle)) == [[0]]
    assert list(BudgetBatchSampler([], [], shuffle=shuffle)) == []
    assert len(BudgetBatchSampler([], [], shuffle=shuffle)) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_sites": [1]}, "one entry per crystal each, got 1 and 2"),
        ({"max_sites": 0}, "must be at least 1, got 0 and 600000"),
        ({"num_sites": [1, 0]}, "at least 1 site and 1 pair"),
    ],
)
def test_impossible_sizes_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        BudgetBatchSampler(**({"num_sites": [1, 2], "num_pairs": [1, 4]} | arguments))


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("processes", [2, 3, 8])
def test_processes_share_the_crystals_without_loss_or_duplication(
    sizes, shuffle, processes
):
    samplers = [
        _sampler(sizes, shuffle=shuffle, num_replicas=processes, rank=rank)
        for rank in range(processes)
    ]
    for epoch in range(5):
        for sampler in samplers:
            sampler.set_epoch(epoch)
        shares = [list(sampler) for sampler in samplers]
        crystals = [i for share in shares for batch in share for i in batch]
        assert sorted(crystals) == list(range(300))
        counts = [len(share) for share in shares]
        assert counts == [len(sampler) for sampler in samplers]
        assert max(counts) - min(counts) <= (0 if shuffle else 1)
        assert all(batch for share in shares for batch in share)


def test_epoch_goes_on_behind_the_batches_that_are_done(sizes):
    sampler = _sampler(sizes)
    whole = list(sampler)
    sampler.skip_once(3)
    assert list(sampler) == whole[3:]
    assert list(sampler) == whole


def test_crystals_that_cannot_be_shared_equally_are_an_error():
    with pytest.raises(DataError, match=r"3 crystals .* equally by 2 processes; train"):
        BudgetBatchSampler(
            [9, 9, 9], [9, 9, 9], max_sites=5, shuffle=True, num_replicas=2
        )


def test_rank_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match=r"`rank` must be from 0 to 1 .*, got 2"):
        BudgetBatchSampler([1], [1], num_replicas=2, rank=2)


def test_no_batch_to_train_on_has_more_crystals_than_asked(sizes):
    batches = list(_sampler(sizes, max_sites=10**6, max_pairs=10**6, max_crystals=16))
    assert max(map(len, batches)) == 16
    assert len(batches) == 19  # 300 / 16
