"""Gradients of gradients, batched ones and those of ``torch.func`` on the fast path."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.autograd.functional import hessian

from pyg_sitenet import SiteNet, SiteNetConv, encode_structure
from pyg_sitenet.config import ModelConfig
from pyg_sitenet.nn.fast.fused_conv import can_fuse

# Receiver 1 sees one pair, receiver 3 none.
EDGE_INDEX = torch.tensor([[2, 0, 1, 3, 1, 2], [0, 1, 0, 2, 2, 0]])


@pytest.fixture
def conv() -> SiteNetConv:
    torch.manual_seed(5)
    conv = SiteNetConv(
        3, 4, 3, heads=2, attention_hidden=(6,), update_edges=True, locality=(0.5, 4)
    )
    with torch.no_grad():  # norms that are not the identity
        for parameter in conv.parameters():
            parameter += 0.2 * torch.randn_like(parameter)
    return conv.double()


@pytest.fixture
def inputs() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    shapes = ((4, 3), (6, 3), (6,))
    x, edge_attr, multiplicity = (
        torch.rand(shape, generator=generator, dtype=torch.float64).requires_grad_()
        for shape in shapes
    )
    return x, edge_attr, multiplicity


def outputs(
    conv: SiteNetConv, x: Tensor, edge_attr: Tensor, multiplicity: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return new sites, new pairs and attention weights."""
    (sites, pairs), (_, alpha) = conv(
        x,
        EDGE_INDEX,
        edge_attr,
        edge_multiplicity=multiplicity,
        edge_length=edge_attr[:, 0],
        return_attention_weights=True,
    )
    return sites, pairs, alpha


def on_both_paths(conv: SiteNetConv, run: Callable[[], object]) -> list[object]:
    results = []
    for conv.fused in (True, False):
        results.append(run())
    return results


@pytest.mark.usefixtures("tables")
def test_first_and_second_derivatives_are_those_of_finite_differences(
    conv: SiteNetConv, inputs: tuple[Tensor, ...]
) -> None:
    x, edge_attr, _ = inputs
    assert can_fuse(conv, (x, x), EDGE_INDEX, edge_attr, None)

    def run(x: Tensor, edge_attr: Tensor, count: Tensor, *_: Tensor) -> object:
        return outputs(conv, x, edge_attr, count)

    weights = (conv.attention.pair, conv.value.receiver, conv.edge.norm)
    sources = (*inputs, conv.log_length, *(part.weight for part in weights))
    assert torch.autograd.gradcheck(run, sources, fast_mode=True)
    assert torch.autograd.gradgradcheck(run, sources, fast_mode=True)


@pytest.mark.parametrize("vectorize", [False, True])
def test_hessian_is_that_of_message_passing(
    conv: SiteNetConv, inputs: tuple[Tensor, ...], vectorize: bool
) -> None:
    x, edge_attr, count = inputs

    def cubed(x: Tensor) -> Tensor:
        return outputs(conv, x, edge_attr, count)[0].pow(3).sum()

    fused, plain = on_both_paths(conv, lambda: hessian(cubed, x, vectorize=vectorize))
    assert plain.abs().max() > 0.1
    torch.testing.assert_close(fused, plain)


@pytest.mark.parametrize("output", [0, 1, 2], ids=["sites", "pairs", "weights"])
def test_losses_on_forces_reach_everything(
    conv: SiteNetConv, inputs: tuple[Tensor, ...], output: int
) -> None:
    sources = [*inputs, *conv.parameters()]

    def gradients() -> list[Tensor | None]:
        energy = outputs(conv, *inputs)[output].sin().sum()
        options = {"create_graph": True, "allow_unused": True}
        forces = torch.autograd.grad(energy, inputs, **options)
        loss = sum(force.square().sum() for force in forces if force is not None)
        return torch.autograd.grad(loss, sources, allow_unused=True)

    fused, plain = on_both_paths(conv, gradients)
    assert sum(grad is not None and grad.abs().max() > 1e-3 for grad in plain) > 5
    for ours, theirs, source in zip(fused, plain, sources, strict=True):
        zeros = torch.zeros_like(source)
        expected = zeros if theirs is None else theirs
        torch.testing.assert_close(zeros if ours is None else ours, expected)


def test_sites_that_depend_on_pairs_count_once(
    conv: SiteNetConv, inputs: tuple[Tensor, ...]
) -> None:
    x, edge_attr, count = inputs

    def run() -> Tensor:
        moved = x.detach() * edge_attr[:4].sum(1, keepdim=True)
        energy = outputs(conv, moved, edge_attr, count)[0].pow(3).sum()
        (force,) = torch.autograd.grad(energy, edge_attr, create_graph=True)
        return torch.stack(
            [force, *torch.autograd.grad(force.square().sum(), edge_attr)]
        )

    fused, plain = on_both_paths(conv, run)
    torch.testing.assert_close(fused, plain)


def test_batched_gradients_are_the_single_ones(
    conv: SiteNetConv, inputs: tuple[Tensor, ...]
) -> None:
    x = inputs[0]
    out = outputs(conv, *inputs)[0]
    seeds = torch.eye(out.numel(), dtype=out.dtype).view(-1, *out.shape)
    options = {"retain_graph": True}
    (batched,) = torch.autograd.grad(out, x, seeds, is_grads_batched=True, **options)
    single = [torch.autograd.grad(out, x, seed, **options)[0] for seed in seeds]
    torch.testing.assert_close(batched, torch.stack(single))


def test_function_transforms_give_the_same(
    conv: SiteNetConv, inputs: tuple[Tensor, ...]
) -> None:
    x, edge_attr, count = (value.detach() for value in inputs)

    def sites(x: Tensor) -> Tensor:
        return outputs(conv, x, edge_attr, count)[0]

    jacobian = torch.autograd.functional.jacobian(sites, x)
    torch.testing.assert_close(torch.func.jacrev(sites)(x), jacobian)
    total = torch.func.grad(lambda x: sites(x).sum())(x)
    torch.testing.assert_close(total, jacobian.sum((0, 1)))
    stacked = torch.func.vmap(sites)(torch.stack([x, 2 * x]))
    torch.testing.assert_close(stacked, torch.stack([sites(x), sites(2 * x)]))
    expected = (jacobian * x).sum((2, 3))
    torch.testing.assert_close(torch.func.jvp(sites, (x,), (x,))[1], expected)
    with forward_ad.dual_level():
        dual = forward_ad.unpack_dual(sites(forward_ad.make_dual(x, x)))
        torch.testing.assert_close(dual.tangent, expected)


@pytest.fixture
def network() -> SiteNet:
    torch.manual_seed(0)
    config = ModelConfig(attention_hidden=(20,))
    return SiteNet(config, num_targets=2).double()


def test_hessian_of_a_network_by_pairs_is_that_of_finite_differences(
    network: SiteNet, rutile: object
) -> None:
    data = encode_structure(rutile, max_atoms=20, dtype=torch.float64)
    pairs, step = data.edge_attr, 1e-5
    direction = torch.randn(pairs.shape, dtype=pairs.dtype)

    def gradient(pairs: Tensor, *, create_graph: bool = False) -> Tensor:
        data.edge_attr = pairs.detach().requires_grad_()
        energy = network.raw_output(data).square().sum()
        return torch.autograd.grad(energy, data.edge_attr, create_graph=create_graph)[0]

    change = gradient(pairs + step * direction) - gradient(pairs - step * direction)
    slope = (gradient(pairs, create_graph=True) * direction).sum()
    (product,) = torch.autograd.grad(slope, data.edge_attr)
    assert product.abs().max() > 1e-6
    torch.testing.assert_close(product, change / (2 * step), rtol=1e-6, atol=1e-8)


def test_second_derivatives_hold_where_equal_pairs_are_computed_once(
    network: SiteNet, nacl: object
) -> None:
    data = encode_structure(nacl, max_atoms=40, dtype=torch.float64)
    weights = list(network.parameters())

    def products() -> tuple[Tensor, ...]:
        loss = network.raw_output(data).square().sum()
        grads = torch.autograd.grad(loss, weights, create_graph=True)
        squares = sum(grad.square().sum() for grad in grads)
        return torch.autograd.grad(squares, weights)

    fused = products()
    network.fused = False
    scale = max(grad.abs().max().item() for grad in fused)
    for ours, theirs in zip(fused, products(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-10 * scale)


def test_one_switch_turns_the_fast_path_off(network: SiteNet, nacl: object) -> None:
    assert network.fused
    data = encode_structure(nacl, max_atoms=20, dtype=torch.float64)
    used = network.raw_output(data).grad_fn
    assert "_Fused" in _names(used)
    network.fused = False
    assert not network.fused
    assert "_Fused" not in _names(network.raw_output(data).grad_fn)


def _names(node: object) -> str:
    """Return the names of all steps behind a node of the graph."""
    names, open_nodes = {}, [node]
    while open_nodes:
        step = open_nodes.pop()
        if step is not None and step not in names:
            names[step] = step.name()
            open_nodes += [parent for parent, _ in step.next_functions]
    return " ".join(names.values())
