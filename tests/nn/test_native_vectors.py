"""The compiled layer with vectors of 8 and of 16 numbers, on any processor."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from pyg_sitenet.nn.fast.activations import ACTIVATIONS
from pyg_sitenet.nn.fast.hidden_layer import Features, Inputs, Terms
from pyg_sitenet.nn.fast.native import compiler, layer
from pyg_sitenet.nn.fast.native.library import open_library

CC = shutil.which("cc")
pytestmark = pytest.mark.skipif(CC is None, reason="no C compiler")
PAIRS, SITES, WIDTH, DEPTH = 301, 7, 45, 34


def _results(width: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """Return results and gradients of a library with vectors of a width."""
    flags = (*compiler._FLAGS, f"-DVECTOR={width}")
    with monkeypatch.context() as patch:
        patch.setattr(compiler, "_FLAGS", flags)
        folder.mkdir()
        library = open_library(compiler.compile_library(str(CC), folder))
        patch.setattr(layer, "load_library", lambda: library)
        torch.manual_seed(0)
        table, other = torch.randn(2, SITES, WIDTH)
        weight, rows = torch.randn(WIDTH, DEPTH), torch.randn(PAIRS, DEPTH)
        inputs = Inputs(
            Terms(table, other, weight), Features(rows, None),
            torch.randint(SITES, (2, PAIRS)), ACTIVATIONS[nn.Mish], 1e-5,
        )  # fmt: skip
        rows_grad = torch.zeros_like(rows)
        native = layer.NativeLayer(inputs, rows_grad)
        of_logits, grad = torch.randn(3, WIDTH), torch.randn(PAIRS, 3)
        logits = native.logits(of_logits)
        own = native.logits_backward(of_logits, grad)
        return [logits, own, rows_grad, *(g for g in native.grads if g is not None)]


def test_width_of_vectors_changes_no_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow = _results(8, tmp_path / "8", monkeypatch)
    wide = _results(16, tmp_path / "16", monkeypatch)
    assert len(narrow) == 6
    for ours, expected in zip(wide, narrow, strict=True):
        assert torch.equal(ours, expected)


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() != "x86_64", reason="of x86-64 processors alone")
def test_sums_of_a_product_stay_in_wide_registers_with_avx512(tmp_path: Path) -> None:
    for name, text in compiler._sources().items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    flags = [f for f in compiler._FLAGS if not f.startswith(("-march", "-shared"))]
    optional = compiler._OPTIONAL_FLAGS[0]
    command = [str(CC), *flags, *optional, "-march=skylake-avx512", "-S"]
    files = [str(tmp_path / "pair_layer.c"), "-o", str(tmp_path / "layer.s")]
    subprocess.run([*command, *files], check=True)
    text = (tmp_path / "layer.s").read_text("utf-8")
    blocks = re.split(r"^\.L\w+:$|^\s+j\w+\s.*$", text, flags=re.MULTILINE)
    hot = [b for b in blocks if len(re.findall(r"vfmadd.*%zmm", b)) >= 12]
    assert hot
    for block in hot:
        assert not re.search(r"%zmm.*\(%r[sb]p|\(%r[sb]p.*%zmm", block), block
