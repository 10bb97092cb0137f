"""Which modules the fast path can stand for: of exact types, watched by nobody."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.modules.module import _has_any_global_hook
from torch_geometric.nn import Linear

from pyg_sitenet.nn.fast.activations import ACTIVATIONS
from pyg_sitenet.nn.layers import Layer
from pyg_sitenet.nn.pairs.pair_linear import PairLayer

PLAIN_TENSORS: tuple[type, ...] = (Tensor, nn.Parameter)
"""Those that compute as PyTorch's own: of others, a sharded one, nobody knows."""
_HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
)


def has_fused_form(module: nn.Module) -> bool:
    """Whether a layer is as it was made: a linear map, an activation, a norm.

    What was replaced (another norm, an adapter, a quantised or parametrised linear
    map) or is watched by hooks (pruning is one) runs as PyTorch runs it.
    """
    if not is_untouched(module):
        return False
    if type(module) is PairLayer:
        linears, norm = module.parts(), module.norm
        activation, width = module.activation, module.out_channels
        has_bias = (True, False, False)
        return _are_linear(linears, has_bias) and _is_known(activation, norm, width)
    if type(module) is Layer and len(module) == 3:
        linear, activation, norm = module
        width = getattr(linear, "out_features", 0)
        return _are_linear([linear], (True,)) and _is_known(activation, norm, width)
    return False


def is_plain_tensor(tensor: object) -> bool:
    """Whether a tensor is one that gradients by hand are made for."""
    return type(tensor) in PLAIN_TENSORS


def is_logit_map(module: nn.Module) -> bool:
    """Whether a module is one linear map with a bias."""
    return (
        type(module) is nn.Sequential
        and is_untouched(module)
        and _are_linear(list(module), (True,))
    )


def is_untouched(module: nn.Module) -> bool:
    """Whether nobody watches a module or its parts, or gave one another forward."""
    return not _has_any_global_hook() and not any(
        "forward" in vars(part) or any(getattr(part, hooks) for hooks in _HOOKS)
        for part in module.modules()
    )


def _are_linear(modules: Sequence[nn.Module], has_bias: tuple[bool, ...]) -> bool:
    if len(modules) != len(has_bias):
        return False
    return all(
        type(module) in (nn.Linear, Linear)
        and is_plain_tensor(module.weight)
        and (module.bias is not None) == expects_bias
        for module, expects_bias in zip(modules, has_bias, strict=True)
    )


def _is_known(activation: nn.Module, norm: nn.Module, width: int) -> bool:
    if type(activation) not in ACTIVATIONS:
        return False
    if type(norm) is nn.LayerNorm:
        is_affine = norm.weight is not None and norm.bias is not None
        return is_affine and norm.normalized_shape == (width,)
    return type(norm) is nn.Identity
