"""The checks for the day a GPU is at hand run here in a small size, on the CPU."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest
import torch

from pyg_sitenet.errors import ConfigError
from pyg_sitenet.nn.fast.native.library import load_library
from pyg_sitenet.nn.fast.triton.available import can_use_triton

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def checks(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    for switch in ("PYG_SITENET_NATIVE", "PYG_SITENET_TRITON"):
        monkeypatch.setenv(switch, os.environ.get(switch, "1"))  # and back afterwards
    spec = importlib.util.spec_from_file_location(
        "gpu_checks", BENCHMARKS / "gpu_checks.py"
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules["gpu_checks"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["gpu_checks"]
    monkeypatch.undo()
    load_library.cache_clear()
    can_use_triton.cache_clear()


def test_dry_run_passes(checks, capsys):
    assert checks.main(["--device", "cpu", "--tiny"]) == 0
    table = capsys.readouterr().out
    assert "FAILED" not in table
    for preset in ("paper", "default"):
        for check in ("error, torch.float64", "error, torch.float32", "step"):
            assert f"| {preset} | torch | {check} |" in table
    assert "| epoch 2 of a run |" in table
    assert "| predictions, CPU |" in table


def test_failure_is_told(checks, capsys, monkeypatch):
    row = checks.Row("paper", "torch", "error", "1", False)
    monkeypatch.setattr(checks, "run_checks", lambda *_: iter([row]))
    assert checks.main(["--device", "cpu", "--tiny"]) == 1
    assert "| paper | torch | error | 1 | FAILED |" in capsys.readouterr().out


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_gpu_that_is_not_there_is_told(checks):
    with pytest.raises(ConfigError, match="no device 'cuda' here"):
        checks.main([])
