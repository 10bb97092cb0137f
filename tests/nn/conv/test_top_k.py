"""How many copies of each pair are among a receiver's largest logits."""

from __future__ import annotations

import pytest
import torch

from pyg_sitenet.nn.conv.top_k import largest_multiplicities


def test_the_k_largest_of_each_receiver_stay() -> None:
    logits = torch.tensor([[3.0], [1.0], [2.0], [5.0], [4.0]])
    index = torch.tensor([0, 0, 0, 1, 1])
    copies = largest_multiplicities(logits, index, None, 2)
    assert copies.flatten().tolist() == [1, 0, 1, 1, 1]


def test_a_pair_may_stay_in_part() -> None:
    logits, index = torch.tensor([[3.0], [2.0], [1.0]]), torch.tensor([0, 0, 0])
    copies = largest_multiplicities(logits, index, torch.tensor([2, 4, 1]), 5)
    assert copies.flatten().tolist() == [2, 3, 0]


def test_each_head_chooses_for_itself() -> None:
    logits = torch.tensor([[1.0, 2.0], [2.0, 1.0]])
    copies = largest_multiplicities(logits, torch.tensor([0, 0]), None, 1)
    assert copies.tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize("k", [1, 3, 10])
def test_copies_are_those_of_a_sorted_list(k: int) -> None:
    generator = torch.Generator().manual_seed(k)
    logits = torch.randn(40, 3, generator=generator)
    index = torch.randint(5, (40,), generator=generator).sort().values
    multiplicity = torch.randint(1, 4, (40,), generator=generator)
    expected = torch.zeros(40, 3, dtype=torch.long)
    for head in range(3):
        for receiver in range(5):
            pairs = (index == receiver).nonzero().flatten().tolist()
            pairs.sort(key=lambda pair: -logits[pair, head])
            all_copies = [p for p in pairs for _ in range(multiplicity[p])]
            for pair in all_copies[:k]:
                expected[pair, head] += 1
    copies = largest_multiplicities(logits, index, multiplicity, k)
    assert torch.equal(copies, expected)


def test_multiplicities_must_be_whole() -> None:
    with pytest.raises(ValueError, match=r"whole numbers where top_k .*float32; give"):
        largest_multiplicities(
            torch.zeros(1, 1), torch.tensor([0]), torch.tensor([1.5]), 1
        )
