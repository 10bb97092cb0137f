"""Pairs of weight 0 are as if they were not there; weights may have any type."""

import pytest
import torch

from pyg_sitenet.nn import SiteNetConv
from pyg_sitenet.nn.fast.fused_conv import can_fuse

EDGE_INDEX = torch.tensor([[0, 1, 2, 3, 0, 1, 2, 0], [0, 0, 0, 1, 1, 2, 2, 3]])
IS_COUNTED = torch.tensor([1, 0, 1, 1, 1, 0, 0, 1]).bool()  # site 2 sees nothing


@pytest.fixture
def inputs():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(4, 8, generator=generator, dtype=torch.float64)
    return x, torch.randn(8, 5, generator=generator, dtype=torch.float64)


def make_conv(**options):
    torch.manual_seed(0)
    return SiteNetConv(8, 6, 5, 2, **{"attention_hidden": (7,), **options}).double()


@pytest.mark.parametrize("name", ["edge_weight", "edge_multiplicity"])
@pytest.mark.parametrize("options", [{}, {"fused": False}, {"top_k": 2}], ids=str)
def test_pairs_of_weight_0_are_as_if_not_there(inputs, name, options):
    x, edge_attr = (part.requires_grad_() for part in inputs)
    conv = make_conv(top_k=options.get("top_k"))
    conv.fused = options.get("fused", True)
    weight = IS_COUNTED.to(torch.long if name == "edge_multiplicity" else x.dtype)
    out, (_, alpha) = conv(
        x, EDGE_INDEX, edge_attr, **{name: weight}, return_attention_weights=True
    )
    expected = conv(x, EDGE_INDEX[:, IS_COUNTED], edge_attr[IS_COUNTED])
    torch.testing.assert_close(out, expected)
    assert (alpha[~IS_COUNTED] == 0).all()
    slopes = [
        torch.autograd.grad(result.square().sum(), [x, edge_attr])
        for result in (out, expected)
    ]
    for ours, theirs in zip(*slopes, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("fused", [True, False])
def test_slopes_by_weights_of_0_are_finite(inputs, fused):
    x, edge_attr = inputs
    conv = make_conv()
    conv.fused = fused
    assert can_fuse(conv, (x, x), EDGE_INDEX, edge_attr, None) == fused
    weight = IS_COUNTED.double().requires_grad_()
    loss = conv(x, EDGE_INDEX, edge_attr, edge_weight=weight).square().sum()
    (slope,) = torch.autograd.grad(loss, weight, create_graph=True)
    assert slope.isfinite().all()
    assert slope[IS_COUNTED].abs().max() > 1e-6
    (second,) = torch.autograd.grad(slope.square().sum(), weight)
    assert second.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_layers_of_low_precision_take_weights_and_lengths_of_any(inputs, dtype):
    conv = make_conv(locality=(0.5, 5.0))
    values = {
        "edge_multiplicity": torch.tensor([3, 1, 2, 1, 4, 1, 1, 2]),
        "edge_weight": torch.linspace(0, 1, 8).double(),
        "edge_length": torch.linspace(0, 3, 8).double(),
    }
    expected = conv(inputs[0], EDGE_INDEX, inputs[1], **values)
    for fused in (True, False):
        conv.to(dtype).fused = fused
        out = conv(inputs[0].to(dtype), EDGE_INDEX, inputs[1].to(dtype), **values)
        assert out.dtype == dtype
        torch.testing.assert_close(out.double(), expected, rtol=0.1, atol=0.1)


@pytest.mark.parametrize("name", ["edge_weight", "edge_multiplicity", "edge_length"])
@pytest.mark.parametrize("shape", [(7,), (8, 1)])
def test_values_of_another_shape_are_named(inputs, name, shape):
    message = rf"`{name}` must have shape \[8\], .*, got \[{shape[0]}"
    with pytest.raises(ValueError, match=message):
        make_conv()(inputs[0], EDGE_INDEX, inputs[1], **{name: torch.ones(shape)})
