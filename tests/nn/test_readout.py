"""Pooling over the sites of each crystal."""

import pytest
import torch

from pyg_sitenet.nn.readout import Pooling

X = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
BATCH = torch.tensor([0, 0, 1, 1, 1])


def test_mean_and_maximum():
    mean, largest = Pooling("mean", 4), Pooling("max", 4)
    expected = torch.stack([X[:2].mean(0), X[2:].mean(0)])
    torch.testing.assert_close(mean(X, BATCH, 2, None), expected)
    expected = torch.stack([X[:2].amax(0), X[2:].amax(0)])
    torch.testing.assert_close(largest(X, BATCH, 2, None), expected)
    both = torch.cat([pool(X, BATCH, 2, None) for pool in (mean, largest)], dim=1)
    torch.testing.assert_close(Pooling("mean_max", 4)(X, BATCH, 2, None), both)


def test_attention_is_a_weighted_mean():
    pool = Pooling("attention", 4)
    share = pool.gate(X[2:]).softmax(dim=0)
    expected = (share * X[2:]).sum(dim=0)
    torch.testing.assert_close(pool(X, BATCH, 2, None)[1], expected)


@pytest.mark.parametrize("kind", ["mean", "max", "mean_max", "attention"])
def test_a_multiplicity_stands_for_that_many_sites(kind):
    pool, count = Pooling(kind, 4), torch.tensor([2, 1, 3, 1, 5])
    copies = torch.arange(5).repeat_interleave(count)
    expected = pool(X[copies], BATCH[copies], 2, None)
    torch.testing.assert_close(pool(X, BATCH, 2, count), expected)


def test_sites_that_are_equal_but_for_rounding_share_the_gradient_of_a_maximum():
    x = torch.tensor([[1.0], [1 + 1e-15], [0.9], [3.0]], dtype=torch.float64)
    x.requires_grad_()
    largest = Pooling("max", 1)(x, torch.tensor([0, 0, 0, 1]), 2, None)
    assert largest.tolist() == [[1 + 1e-15], [3.0]]
    [grad] = torch.autograd.grad(largest.sum(), x)
    assert grad.flatten().tolist() == [0.5, 0.5, 0.0, 1.0]
