"""Orthogonal steps: what they are, whom they serve, and that they can be resumed."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from pyg_sitenet import SiteNet
from pyg_sitenet.config import TrainingConfig
from pyg_sitenet.training.loop.module import SiteNetModule
from pyg_sitenet.training.loop.muon import Muon, orthogonalize

OPTIONS = {"lr": 0.01, "weight_decay": 0.1, "eps": 1e-8}
SHAPES = ((12, 20), (20, 12), (16, 16), (12, 20))


def _weights(seed: int) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    shapes = (*SHAPES, (9,))
    weights = [nn.Parameter(torch.randn(s, generator=generator)) for s in shapes]
    for weight in weights:
        weight.grad = torch.randn(weight.shape, generator=generator)
    return weights


def test_singular_vectors_stay_and_values_become_one() -> None:
    torch.manual_seed(0)
    matrices = torch.randn(3, 10, 24)
    values = torch.linalg.svdvals(orthogonalize(matrices))
    assert values.min() > 0.6
    assert values.max() < 1.25
    expected = torch.linalg.svd(matrices)
    exact = expected.U @ expected.Vh[:, :10]
    cosine = (orthogonalize(matrices) * exact).sum((1, 2)) / 10
    assert cosine.min() > 0.8


def test_no_gradient_means_no_direction() -> None:
    assert torch.equal(orthogonalize(torch.zeros(1, 3, 4)), torch.zeros(1, 3, 4))


def test_steps_of_matrices_are_those_of_torch_but_for_its_half_precision() -> None:
    mine, theirs = _weights(0), _weights(0)
    muon = Muon(mine, mine[:-1], **OPTIONS)
    reference = torch.optim.Muon(
        theirs[:-1], lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"
    )
    begin = [weight.detach().clone() for weight in mine]
    for seed in (1, 2, 3):
        for a, b, source in zip(mine, theirs, _weights(seed), strict=True):
            a.grad, b.grad = source.grad, source.grad
        muon.step()
        reference.step()
    for a, b, old in zip(mine[:-1], theirs[:-1], begin[:-1], strict=True):
        change = (b - old).norm()
        assert (a - b).norm() < 0.05 * change


def test_other_weights_are_those_of_adamw() -> None:
    mine, theirs = _weights(0), _weights(0)
    muon = Muon(mine, mine[:-1], **OPTIONS)
    adamw = torch.optim.AdamW(theirs, **OPTIONS)
    for _ in range(3):
        muon.step()
        adamw.step()
    assert torch.equal(mine[-1], theirs[-1])
    assert not torch.allclose(mine[0], theirs[0])
    assert all(weight.grad is not None for weight in mine)


def test_hooks_run_once_a_step() -> None:
    torch.optim.AdamW(_weights(1))  # PyTorch wraps hooks around its step from now on
    weights = _weights(0)
    steps: list[torch.optim.Optimizer] = []
    hook = register_optimizer_step_post_hook(lambda muon, *_: steps.append(muon))
    Muon(weights, weights[:-1], **OPTIONS).step()
    hook.remove()
    assert len(steps) == 1


def test_weights_without_gradient_stay() -> None:
    weights = _weights(0)
    weights[1].grad = weights[-1].grad = None
    before = copy.deepcopy(weights)
    Muon(weights, weights[:-1], **OPTIONS).step()
    same = [torch.equal(a, b) for a, b in zip(weights, before, strict=True)]
    assert same == [False, True, False, False, True]


def test_saved_state_goes_on_bit_by_bit() -> None:
    whole, resumed = _weights(0), _weights(0)
    first = Muon(whole, whole[:-1], **OPTIONS)
    first.step()
    begun = Muon(resumed, resumed[:-1], **OPTIONS)
    begun.step()
    second = Muon(resumed, resumed[:-1], **OPTIONS)
    second.load_state_dict(copy.deepcopy(begun.state_dict()))
    first.step()
    second.step()
    assert all(torch.equal(a, b) for a, b in zip(whole, resumed, strict=True))


@pytest.mark.parametrize("frozen", [False, True])
def test_inner_matrices_alone_get_orthogonal_steps(frozen: bool) -> None:
    config = TrainingConfig(optimizer="muon", freeze_encoder=frozen)
    module = SiteNetModule(SiteNet(), config, ("gap",), torch.ones(3, 1), 10)
    optimizer = module.configure_optimizers()["optimizer"]
    assert isinstance(optimizer, Muon)
    chosen = {id(matrix) for matrix in optimizer.matrices}
    names = {n for n, w in module.model.named_parameters() if id(w) in chosen}
    assert "readout.post_pool.0.0.weight" in names
    assert ("blocks.2.conv.value.pair.weight" in names) is not frozen
    outer = ("site_embedding", "edge_embedding", "readout.linear")
    assert not any(name.startswith(outer) or "logits" in name for name in names)


def test_adamw_is_the_default() -> None:
    module = SiteNetModule(SiteNet(), TrainingConfig(), ("gap",), torch.ones(3, 1), 10)
    optimizer = module.configure_optimizers()["optimizer"]
    assert isinstance(optimizer, Muon)
    assert optimizer.matrices == ()
