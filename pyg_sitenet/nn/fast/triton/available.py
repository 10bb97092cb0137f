"""Whether Triton's kernels serve on a device; where they do not, one line says why."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
from functools import cache

import torch

logger = logging.getLogger(__name__)

SWITCH = "PYG_SITENET_TRITON"
OLDEST_TRITON = (3, 6)  # 3.0 gives wrong numbers
OLDEST_CAPABILITY = (7, 5)
_LONGEST_REASON = 300


@cache
def can_use_triton(device: torch.device) -> bool:
    """Return whether the kernels run on a device: tried once, with a tiny one.

    On the CPU they do under Triton's interpreter (``TRITON_INTERPRET=1``), for tests.
    ``PYG_SITENET_TRITON=0`` switches them off.
    """
    is_interpreted = os.environ.get("TRITON_INTERPRET") == "1"
    if device.type != ("cpu" if is_interpreted else "cuda"):
        return False
    if os.environ.get(SWITCH) == "0":
        return False
    reason = _obstacle(device)
    if reason is not None:
        reason = " ".join(reason.split())[:_LONGEST_REASON]
        logger.warning(
            "no Triton kernels on %s, PyTorch's operations serve, more slowly: %s",
            device, reason,
        )  # fmt: skip
    return reason is None


def _obstacle(device: torch.device) -> str | None:
    """Return what stands in the way, if anything does."""
    try:
        import triton
    except ImportError as error:
        return f"triton cannot be imported ({error}); pip install 'triton>=3.6'"
    version = tuple(int(part) for part in triton.__version__.split(".")[:2])
    if version < OLDEST_TRITON:
        return f"triton {triton.__version__} is here, 3.6 or newer is needed"
    if device.type == "cuda":
        if torch.version.hip is not None:
            return "they are for GPUs of NVIDIA"
        capability = torch.cuda.get_device_capability(device)
        if capability < OLDEST_CAPABILITY:
            return (
                f"{torch.cuda.get_device_name(device)} has compute capability "
                f"{'.'.join(map(str, capability))}, 7.5 or newer is needed"
            )
    if _compiler_lies_with_data():
        return "PATH has a relative part, and no compiler is started from there"
    # What Triton raises where a compiler, Python.h, libcuda or a new driver is missing.
    expected = (
        ImportError, OSError, RuntimeError, AssertionError,
        subprocess.SubprocessError, triton.TritonError,
    )  # fmt: skip
    try:
        return _try_out(device)
    except expected as error:
        return str(error) or type(error).__name__


def _compiler_lies_with_data() -> bool:
    """Whether Triton would start a compiler of the current folder."""
    if os.environ.get("CC") is not None:
        return False
    path = shutil.which("gcc") or shutil.which("clang")
    return path is not None and not os.path.isabs(path)


def _try_out(device: torch.device) -> str | None:
    """Run the smallest kernel; return what was wrong with its result."""
    import triton

    from pyg_sitenet.nn.fast.triton import kernels

    if device.type == "cuda":
        _ = triton.runtime.driver.active.get_current_target()
    with on_device(device):
        number = torch.zeros(1, device=device)
        kernels.add_one[(1,)](number)
    result = number.item()
    return None if result == 1 else f"0 + 1 gave {result}"


def on_device(device: torch.device) -> torch.cuda.device:
    """Let kernels be started on a device: Triton takes the current GPU."""
    return torch.cuda.device(device if device.type == "cuda" else -1)
