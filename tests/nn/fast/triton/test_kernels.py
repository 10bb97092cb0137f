"""The kernels give what PyTorch's own steps give, interpreted and on a GPU."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

pytest.importorskip("triton", reason="the extra `gpu-tests` is not installed")

FILE = Path(__file__).with_name("exactness.py")


def run(mark: str, interpret: int = 1) -> None:
    """Run the tests of the file in a process of their own.

    Triton reads the variable when it is imported.
    """
    switches = {"TRITON_INTERPRET": str(interpret), "PYG_SITENET_NATIVE": "0"}
    options = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", mark]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(FILE)],
        env=os.environ | switches,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_kernels_are_the_plain_form():
    run("not slow")


@pytest.mark.slow
def test_every_combination_is_the_plain_form():
    run("slow")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU of NVIDIA here")
def test_kernels_are_the_plain_form_on_a_gpu():
    run("", interpret=0)
