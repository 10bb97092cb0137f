"""What the kernels need on GPUs that are not here: compiled for them ahead of time."""

import re
import subprocess
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

triton = pytest.importorskip("triton", reason="the extra `gpu-tests` is not installed")

from triton.backends.compiler import GPUTarget  # noqa: E402
from triton.compiler import ASTSource  # noqa: E402
from triton.runtime.jit import JITFunction  # noqa: E402

from pyg_sitenet.nn.fast.activations import ACTIVATIONS  # noqa: E402
from pyg_sitenet.nn.fast.hidden_layer import Features, Inputs, Terms  # noqa: E402
from pyg_sitenet.nn.fast.triton import kernels  # noqa: E402
from pyg_sitenet.nn.fast.triton.layer import TritonLayer  # noqa: E402
from pyg_sitenet.nn.fast.triton.tiles import tile_sizes, warps  # noqa: E402

OBJDUMP = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
WARP, REGISTERS = 32, 65536  # of a multiprocessor, 8.0 and 9.0 alike
INDICES = {"r_index", "s_index", "place"}
NUMBERS = {"count", "r_count", "s_count", "places"}
# Channels and heads: the hidden layer of the logits, values and pairs of both presets.
USES = [
    ("logits", 225, 3),
    ("heads", 30, 3),
    ("rows", 48, 1),
    ("logits", 96, 4),
    ("heads", 48, 4),
]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not OBJDUMP.exists(), reason="triton came without cuobjdump"),
]


def source(name: str, width: int, heads: int, stored: str) -> ASTSource:
    """Return a kernel as it is called for these sizes, sums in single precision."""
    kernel = getattr(kernels, name)
    in_half = {"product", "r_terms", "s_terms", "features"}
    in_half |= {"out", "grad"} if "rows" in name else set()
    sizes = {"EPS": 1e-5, "ACT": kernels.MISH, "H": heads, **tile_sizes(width)}
    kinds = {}
    for argument in kernel.arg_names:
        if argument in sizes:
            kinds[argument] = "constexpr"
        elif argument in INDICES:
            kinds[argument] = "*i64"
        elif argument in NUMBERS:
            kinds[argument] = "i32"
        else:
            kinds[argument] = f"*{stored if argument in in_half else 'fp32'}"
    constants = {name: sizes[name] for name in kernel.arg_names if name in sizes}
    aligned = {
        (place,): [["tt.divisibility", 16]]
        for place, kind in enumerate(kinds.values())
        if kind.startswith("*")
    }
    return ASTSource(kernel, kinds, constants, aligned)


def usage(kernel: ASTSource, capability: int, warps: int, path: Path) -> dict[str, int]:
    """Return what ``cuobjdump`` says a thread of the compiled kernel needs."""
    target = GPUTarget("cuda", capability, WARP)
    compiled = triton.compile(kernel, target=target, options={"num_warps": warps})
    path.write_bytes(compiled.asm["cubin"])
    command = [str(OBJDUMP), "-res-usage", str(path)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {key: int(value) for key, value in re.findall(r"(REG|STACK):(\d+)", text)}


@pytest.mark.parametrize("stored", ["fp32", "bf16"])
@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize(("purpose", "width", "heads"), USES)
def test_nothing_is_spilled(purpose, width, heads, capability, stored, tmp_path):
    filled = tile_sizes(width)["CP"]
    for name, number, blocks in (
        (purpose, warps(), 6),
        (f"{purpose}_backward", warps(filled), 2),
    ):
        kernel = source(name, width, heads, stored)
        need = usage(kernel, capability, number, tmp_path / f"{name}.cubin")
        assert need["STACK"] == 0
        assert need["REG"] * number * WARP * blocks <= REGISTERS


class Driver:
    """Of a GPU that is not here: kernels are compiled for it, and none is started."""

    def get_current_target(self):
        return GPUTarget("cuda", 90, WARP)

    def get_current_device(self):
        return 0

    def get_current_stream(self, device):
        return device


def test_compiled_once_for_batches_of_all_sizes(monkeypatch):
    monkeypatch.setattr(triton.runtime.driver, "_active", Driver())
    monkeypatch.setattr(
        JITFunction, "__getitem__", lambda self, grid: partial(self.warmup, grid=grid)
    )
    width, sites = 20, 3
    terms = Terms(*(torch.randn(sites, width) for _ in range(2)), torch.eye(width))
    kernel = kernels.rows_backward
    kernel.device_caches.clear()
    for pairs in (101, 102, 1, 4096):  # indices lie at odd and even places
        index = torch.randint(sites, (2, pairs))
        rows, activation = torch.randn(pairs, width), ACTIVATIONS[nn.Mish]
        inputs = Inputs(terms, Features(rows, None), index, activation, 1e-5)
        layer = TritonLayer(inputs, torch.zeros_like(rows))
        layer.rows_backward(torch.ones(width), torch.ones_like(rows), residual=True)
    (cache,) = kernel.device_caches.values()
    assert len(cache[0]) == 1
    kernel.device_caches.clear()
