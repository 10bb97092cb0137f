"""The layers of a pair are ordinary modules: whatever works on PyTorch's works here."""

import copy
import io

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

from pyg_sitenet.config import ModelConfig
from pyg_sitenet.nn import SiteNet, SiteNetConv
from pyg_sitenet.nn.fast.fused_conv import can_fuse
from pyg_sitenet.nn.fast.fused_layer import fused_layer
from pyg_sitenet.nn.layers import Layer
from pyg_sitenet.nn.pairs.pair_linear import PairLinear, joined_form

EDGE_INDEX = torch.tensor([[0, 1, 2, 3, 0, 1, 2, 0], [0, 0, 0, 1, 1, 2, 2, 3]])
OPTIONS = {"edge_dim": 5, "heads": 2, "attention_hidden": (7,), "update_edges": True}


@pytest.fixture
def inputs():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(4, 8, generator=generator)
    return x, EDGE_INDEX, torch.randn(EDGE_INDEX.size(1), 5, generator=generator)


@pytest.fixture
def conv():
    torch.manual_seed(0)
    return SiteNetConv(8, 6, **OPTIONS)


def assert_paths_agree(conv, inputs, before=None):
    """Both settings of the switch give the same, and not what was given before."""
    results = []
    for conv.fused in (True, False):
        results.append(torch.cat([part.flatten() for part in conv(*inputs)]))
    conv.fused = True
    torch.testing.assert_close(*results)
    if before is not None:
        assert not torch.allclose(results[0], before)
    return results[0].detach()


class RMSNorm(nn.Module):
    def forward(self, x):
        return x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt()


class Adapter(nn.Module):
    """A linear map with a map of low rank beside it."""

    def __init__(self, linear):
        super().__init__()
        self.linear = linear
        self.down = nn.Linear(linear.in_features, 1, bias=False)
        self.up = nn.Linear(1, linear.out_features, bias=False)

    def forward(self, x):
        return self.linear(x) + self.up(self.down(x))


def replace_norm(conv):
    conv.value.norm = RMSNorm()


def replace_norm_without_factor(conv):
    conv.attention.norm = nn.LayerNorm(7, elementwise_affine=False, eps=1.0)


def replace_activation(conv):
    conv.attention.activation = nn.GELU()


def replace_logits(conv):
    conv.logits[0] = nn.Linear(7, 2, bias=False)


def replace_linear(conv):
    conv.edge.pair = nn.Sequential(nn.Linear(5, 5), nn.Tanh())


def adapt(conv):
    for layer in (conv.attention, conv.value, conv.edge):
        layer.sender, layer.pair = Adapter(layer.sender), Adapter(layer.pair)


def prune_half(conv):
    prune.random_unstructured(conv.value.pair, "weight", amount=0.5)


def normalise_weights(conv):
    parametrizations.weight_norm(conv.value.sender)
    with torch.no_grad():
        conv.value.sender.parametrizations.weight.original0.mul_(2)


def parametrise(conv):
    parametrize.register_parametrization(conv.attention.pair, "weight", nn.Tanh())


def patch_forward(conv):
    conv.value.receiver.forward = lambda x: x.new_ones(len(x), 6)


def hook(conv):
    conv.edge.sender.register_forward_hook(lambda _, __, out: 2 * out)


CHANGES = [
    replace_norm,
    replace_norm_without_factor,
    replace_activation,
    replace_logits,
    replace_linear,
    adapt,
    prune_half,
    normalise_weights,
    parametrise,
    patch_forward,
    hook,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_what_was_changed_is_used(conv, inputs, change):
    before = assert_paths_agree(conv, inputs)
    x, edge_index, edge_attr = inputs
    assert can_fuse(conv, (x, x), edge_index, edge_attr, None)
    torch.manual_seed(1)
    change(conv)
    assert not can_fuse(conv, (x, x), edge_index, edge_attr, None)
    assert_paths_agree(conv, inputs, before)


@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated")
def test_weight_norm_of_old_is_used(conv, inputs):
    before = assert_paths_agree(conv, inputs)
    nn.utils.weight_norm(conv.attention.pair)
    torch.testing.assert_close(assert_paths_agree(conv, inputs), before)
    conv.attention.pair.weight_g.data.mul_(3)
    assert_paths_agree(conv, inputs, before)


def test_a_layer_with_another_norm_keeps_it():
    layer, features = Layer(3, 4), torch.randn(5, 3)
    layer[2] = RMSNorm()
    torch.testing.assert_close(fused_layer(layer, features), layer(features))


def test_state_of_a_pruned_layer_is_used(conv, inputs):
    prune_half(conv)
    other = SiteNetConv(8, 6, **OPTIONS)
    prune_half(other)
    other.load_state_dict(conv.state_dict())
    torch.testing.assert_close(other(*inputs), conv(*inputs))
    prune.remove(other.value.pair, "weight")
    assert (other.value.pair.weight == 0).sum() == 15
    assert_paths_agree(other, inputs)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_quantised_layers_are_used(conv, inputs):
    torch.backends.quantized.engine = "fbgemm"
    before = assert_paths_agree(conv, inputs)
    quantised = torch.ao.quantization.quantize_dynamic(conv, {nn.Linear})
    assert not isinstance(quantised.value.pair, nn.Linear)
    after = assert_paths_agree(quantised, inputs, before)
    torch.testing.assert_close(after, before, rtol=0.2, atol=0.2)


def test_every_linear_map_is_called(conv, inputs):
    called = []
    for name, part in conv.named_modules():
        if isinstance(part, nn.Linear):
            part.register_forward_hook(lambda *_, name=name: called.append(name))
    conv(*inputs)
    linears = [n for n, p in conv.named_modules() if isinstance(p, nn.Linear)]
    assert sorted(called) == sorted(linears)


def test_weights_of_older_files_load(conv, inputs):
    old = joined_form(conv.state_dict())
    assert old["value.linear.weight"].shape == (6, 8 + 8 + 5)
    assert not any(".receiver." in name for name in old)
    other = SiteNetConv(8, 6, **OPTIONS)
    other.load_state_dict(old)
    for part, expected in zip(other(*inputs), conv(*inputs), strict=True):
        assert torch.equal(part, expected)


def test_older_weights_of_another_size_are_named(conv):
    old = joined_form(conv.state_dict())
    with pytest.raises(RuntimeError, match=r"value\.linear\.weight"):
        SiteNetConv(9, 6, **OPTIONS).load_state_dict(old)


def test_weights_are_drawn_as_those_of_one_map():
    torch.manual_seed(3)
    expected = nn.Linear(3 + 4 + 2, 5)
    torch.manual_seed(3)
    layer = PairLinear((3, 4, 2), 5)
    weight = torch.cat([part.weight for part in layer.parts()], dim=1)
    assert torch.equal(weight, expected.weight)
    assert torch.equal(layer.receiver.bias, expected.bias)
    layer.reset_parameters()
    assert not torch.equal(layer.receiver.bias, expected.bias)


def test_layers_can_be_copied_and_saved(conv, inputs):
    file = io.BytesIO()
    torch.save(conv, file)
    file.seek(0)
    for other in (copy.deepcopy(conv), torch.load(file, weights_only=False)):
        torch.testing.assert_close(other(*inputs), conv(*inputs))


def test_models_saved_before_the_split_still_load(tmp_path):
    torch.manual_seed(0)
    model = SiteNet(ModelConfig(attention_hidden=(20,)))
    folder = model.save_pretrained(tmp_path)
    save_file(joined_form(model.state_dict()), folder / "model.safetensors")
    loaded = SiteNet.from_pretrained(folder).state_dict()
    assert all(torch.equal(loaded[k], v) for k, v in model.state_dict().items())
