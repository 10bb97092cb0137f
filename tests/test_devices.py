"""One rule for the device of all commands."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from pyg_sitenet.cli.main import app
from pyg_sitenet.devices import (
    as_device,
    check_precision,
    choose_device,
    describe_device,
    device_line,
)
from pyg_sitenet.errors import ConfigError
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.nn.embedding import shorten_rows
from pyg_sitenet.prediction import load_predictor


def test_a_gpu_is_taken_where_there_is_one() -> None:
    expected = (
        "cuda"
        if torch.cuda.is_available()
        else "mps"
        if torch.backends.mps.is_available()
        else "cpu"
    )
    assert choose_device("auto").type == expected


def test_cpu_is_always_there() -> None:
    device = choose_device("cpu")
    assert device_line(device) == "Device: cpu"
    assert describe_device(device) == {"type": "cpu"}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_gpu_that_is_not_there_is_one_clear_line() -> None:
    message = r"no device 'cuda' here: .*(without CUDA|no GPU).*\(--device cpu\)$"
    with pytest.raises(ConfigError, match=message):
        choose_device("cuda")


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="there is an Apple GPU")
def test_apple_gpu_that_is_not_there_is_one_clear_line() -> None:
    with pytest.raises(ConfigError, match=r"no device 'mps' here: it needs an Apple"):
        choose_device("mps")


def test_unknown_device_is_named_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match="'gppu', expected one of: auto, cpu, cuda"):
        choose_device("gppu")


OLD_DRIVER = (
    "CUDA initialization: The NVIDIA driver on your system is too old (found version "
    "11040). Please update your GPU driver by downloading and installing a new version "
    "from the URL: http://www.nvidia.com/Download/index.aspx Alternatively, go to: "
    "https://pytorch.org to install a PyTorch version that has been compiled with your "
    "version of the CUDA driver. (Triggered internally at CUDAFunctions.cpp:109.)"
)


@pytest.fixture(params=["it is told", "it is found out"])
def old_driver(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch warns, or lists a GPU (``PYTORCH_NVML_BASED_CUDA_CHECK=1``) and fails."""

    def warns() -> bool:
        warnings.warn(OLD_DRIVER, stacklevel=1)
        return False

    def fails() -> None:
        raise RuntimeError(OLD_DRIVER.removeprefix("CUDA initialization: "))

    is_told = request.param == "it is told"
    monkeypatch.setattr(torch.cuda, "is_available", warns if is_told else lambda: True)
    monkeypatch.setattr(torch.cuda, "init", fails)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.mark.usefixtures("old_driver")
def test_driver_that_is_too_old_is_one_clear_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    why = (
        "The NVIDIA driver on your system is too old (found version 11040); update the "
        "driver, or install the PyTorch that is made for it (pytorch.org)"
    )
    with pytest.raises(ConfigError, match=f"^no device 'cuda' here: {re.escape(why)}"):
        choose_device("cuda")
    assert choose_device("auto").type == "cpu"
    assert caplog.messages == [f"computing on the CPU, not on cuda: {why}"]


@pytest.mark.usefixtures("old_driver")
@pytest.mark.parametrize("command", ["train", "predict"])
def test_commands_say_in_one_line_that_a_driver_is_too_old(
    command: str, tmp_path: Path
) -> None:
    crystal = tmp_path / "a.cif"
    crystal.touch()
    words = {
        "train": ["train", "dielectric", "--output", str(tmp_path / "run")],
        "predict": ["predict", "band-gap", str(crystal)],
    }[command]
    done = CliRunner().invoke(app, [*words, "--device", "cuda"])
    assert done.exit_code == 1
    lines = " ".join(done.stderr.split())
    assert "no device 'cuda' here: The NVIDIA driver on your system is too old" in lines
    assert lines.endswith("choose another (--device cpu)")
    assert "Traceback" not in lines
    assert not (tmp_path / "run").exists()


def test_gpu_that_does_not_start_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails() -> None:
        raise RuntimeError(
            "CUDA error: all CUDA-capable devices are busy or unavailable\nCUDA kernel "
            "errors might be asynchronously reported at some other API call."
        )

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "init", fails)
    message = "devices are busy or unavailable; nvidia-smi may tell more; choose"
    with pytest.raises(ConfigError, match=message):
        choose_device("cuda")


def test_device_of_a_script_is_named_as_that_of_a_command() -> None:
    assert as_device("cpu:0") == torch.device("cpu:0")
    assert as_device("auto") == choose_device("auto")
    message = "unknown device 'gpu', expected one of: auto, cpu, cuda, mps"
    with pytest.raises(ConfigError, match=message):
        load_predictor("band-gap", "gpu")
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="no device 'cuda' here: "):
            load_predictor("band-gap", "cuda:0")


def test_doubles_are_refused_where_a_device_has_none() -> None:
    model = SiteNet.from_preset("default")
    check_precision("mps", model.buffers())
    model.widen_scaling()
    check_precision("cuda", model.buffers())
    with pytest.raises(ConfigError, match=r"in double precision, which Apple's GPUs"):
        check_precision("mps", model.buffers())


@pytest.mark.parametrize("scale", [0.1, 3.0])
def test_rows_are_shortened_as_pytorch_does(scale: float) -> None:
    table = torch.nn.Embedding(7, 5, max_norm=1.0)
    torch.manual_seed(0)
    table.weight.data = scale * torch.randn(7, 5)
    weight, rows = table.weight.detach().clone(), torch.tensor([0, 3, 3, 6])
    shorten_rows(weight, rows, 1.0)
    table(rows)
    torch.testing.assert_close(weight, table.weight.detach())


def test_predictions_take_the_device_that_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.cif").touch()
    words = ["predict", "band-gap", str(tmp_path / "a.cif"), "--device"]
    done = CliRunner().invoke(app, [*words, "gppu"])
    assert done.exit_code == 1
    assert "unknown device 'gppu', expected one of: auto, cpu, cuda, mps" in done.stderr


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="there is an Apple GPU")
@pytest.mark.parametrize(
    "words",
    [["train", "dielectric"], ["benchmark", "matbench_phonons"], ["embed", "band-gap"]],
    ids=lambda words: words[0],
)
def test_all_commands_take_the_same_devices(words: list[str], tmp_path: Path) -> None:
    data = ["dielectric"] if words[0] == "embed" else []
    options = ["--output", str(tmp_path / "out"), "--device", "mps"]
    done = CliRunner().invoke(app, [*words, *data, *options])
    assert done.exit_code == 1
    assert "no device 'mps' here: it needs an Apple GPU" in done.stderr
