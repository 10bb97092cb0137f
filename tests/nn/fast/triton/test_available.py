"""Where the kernels do not serve, one line says why."""

import sys

import pytest
import torch

from pyg_sitenet.nn.fast.triton.available import can_use_triton

GPU = torch.device("cuda", 0)


@pytest.fixture(autouse=True)
def _ask_anew(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.delenv("PYG_SITENET_TRITON", raising=False)
    can_use_triton.cache_clear()
    yield
    can_use_triton.cache_clear()


@pytest.fixture
def triton(monkeypatch):
    """Triton on a GPU that looks new enough, whose driver Triton can find."""
    library = pytest.importorskip("triton", reason="the extra `gpu-tests` is missing")
    driver = pytest.importorskip("triton.backends.nvidia.driver").CudaDriver
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Some GPU")
    monkeypatch.setattr(driver, "is_active", staticmethod(lambda: True))
    return library


def refusal(caplog):
    """Return the one line that is logged, however often one asks."""
    assert not can_use_triton(GPU)
    assert not can_use_triton(GPU)
    (record,) = caplog.records
    text = record.getMessage()
    assert "\n" not in text
    assert text.startswith("no Triton kernels on cuda:0, PyTorch's operations serve")
    return text


def test_without_triton(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "triton", None)
    assert "triton cannot be imported" in refusal(caplog)


def test_old_triton(triton, monkeypatch, caplog):
    monkeypatch.setattr(triton, "__version__", "3.5.1")
    assert "triton 3.5.1 is here, 3.6 or newer is needed" in refusal(caplog)


@pytest.mark.usefixtures("triton")
def test_old_gpu(monkeypatch, caplog):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (7, 0))
    expected = "Some GPU has compute capability 7.0, 7.5 or newer is needed"
    assert expected in refusal(caplog)


@pytest.mark.usefixtures("triton")
def test_gpu_of_another_maker(monkeypatch, caplog):
    monkeypatch.setattr(torch.version, "hip", "7.0")
    assert "they are for GPUs of NVIDIA" in refusal(caplog)


@pytest.mark.usefixtures("triton")
@pytest.mark.parametrize(
    ("compiler", "reason"),
    [(None, "Failed to find C compiler"), ("false", "Command '['false',")],
    ids=["no compiler", "a compiler without Python.h"],
)
def test_without_compiler(monkeypatch, caplog, tmp_path, compiler, reason):
    monkeypatch.setenv("TRITON_LIBCUDA_PATH", str(tmp_path))
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path / "cache"))
    if compiler is None:
        monkeypatch.delenv("CC", raising=False)
        monkeypatch.setenv("PATH", "")
    else:
        monkeypatch.setenv("CC", compiler)
    assert reason in refusal(caplog)


@pytest.mark.usefixtures("triton")
def test_compiler_of_the_current_folder_is_not_started(monkeypatch, caplog, tmp_path):
    compiler = tmp_path / "gcc"
    compiler.write_text("#!/bin/sh\ntouch started\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", ".")
    assert "PATH has a relative part" in refusal(caplog)
    assert not (tmp_path / "started").exists()


def test_can_be_switched_off(monkeypatch, caplog):
    monkeypatch.setenv("PYG_SITENET_TRITON", "0")
    assert not can_use_triton(GPU)
    assert not caplog.records


@pytest.mark.parametrize("device", ["cpu", "mps"])
def test_other_devices_are_passed_over(device, caplog):
    assert not can_use_triton(torch.device(device))
    assert not caplog.records
