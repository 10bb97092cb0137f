"""One rule for the device that a command computes on."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable
from importlib import metadata
from typing import Any

import torch

from pyg_sitenet.errors import ConfigError

_logger = logging.getLogger(__name__)

DEVICES = ("auto", "cpu", "cuda", "mps")
WITHOUT_DOUBLES: tuple[str, ...] = ("mps",)
"""Types of devices that have no float64."""


def choose_device(name: str = "auto") -> torch.device:
    """Return the device of a name, if it is there.

    Args:
        name: ``"auto"`` takes a GPU where there is one, NVIDIA's before Apple's.

    Raises:
        ConfigError: If there is no such device, here or at all.
    """
    if name == "auto":
        return _best_device()
    if name not in DEVICES:
        raise ConfigError(
            f"unknown device {name!r}, expected one of: {', '.join(DEVICES)}"
        )
    is_there, complaint = _find(name)
    if not is_there:
        raise ConfigError(
            f"no device {name!r} here: {complaint or _why_not(name)}; choose another "
            "(--device cpu)"
        )
    return torch.device(name)


def as_device(device: str | torch.device) -> torch.device:
    """Return the device that a script names as PyTorch does, or as commands do.

    Raises:
        ConfigError: If there is no such device, here or at all.
    """
    name = str(device)
    kind = name.partition(":")[0]
    if kind in DEVICES:
        chosen = choose_device(kind)
        return chosen if name == kind else torch.device(name)
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise ConfigError(
            f"unknown device {name!r}, expected one of: {', '.join(DEVICES)}"
        ) from error


def check_precision(device: str, tensors: Iterable[torch.Tensor]) -> None:
    """Check that a kind of device has the numbers that a model is made of.

    Raises:
        ConfigError: If some are doubles and there are none.
    """
    if device in WITHOUT_DOUBLES and any(x.dtype == torch.float64 for x in tensors):
        raise ConfigError(
            "the model scales its targets in double precision, which Apple's GPUs do "
            "not have; choose another device (--device cpu)"
        )


def has_doubles(device: torch.device) -> bool:
    """Whether a device has float64."""
    return device.type not in WITHOUT_DOUBLES


def describe_device(device: torch.device) -> dict[str, Any]:
    """Return what decides results and speed on a device, for the record of a run."""
    facts: dict[str, Any] = {"type": device.type}
    if device.type == "cuda":
        major, minor = torch.cuda.get_device_capability(device)
        facts |= {
            "name": torch.cuda.get_device_name(device),
            "capability": f"{major}.{minor}",
            "cuda": torch.version.cuda,
            "driver": _driver(),
            "triton": _triton(),
        }
    return facts


def device_line(device: torch.device) -> str:
    """Say in one line what is computed on."""
    facts = describe_device(device)
    if "name" in facts:
        return f"Device: {facts['name']} ({device}, CUDA {facts['cuda']})"
    return f"Device: {device}"


def _best_device() -> torch.device:
    for name in ("cuda", "mps"):
        is_there, complaint = _find(name)
        if is_there:
            return torch.device(name)
        if complaint:
            _logger.warning("computing on the CPU, not on %s: %s", name, complaint)
    return torch.device("cpu")


def _find(name: str) -> tuple[bool, str]:
    """Return whether a device is there, and what PyTorch says against one that is."""
    if name != "cuda":
        return name == "cpu" or torch.backends.mps.is_available(), ""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        is_there = torch.cuda.is_available()
        try:
            if is_there:
                torch.cuda.init()  # what is listed need not start
        except RuntimeError as error:
            return False, _complaint(str(error))
    return is_there, _complaint(str(caught[0].message)) if caught else ""


def _complaint(text: str) -> str:
    """Return what is wrong by PyTorch's words, without its links and places."""
    what = text.removeprefix("CUDA initialization: ").split(" Please ")[0]
    what = what.split(" (Triggered ")[0].split("\nCUDA kernel errors ")[0]
    what = " ".join(what.split()).rstrip(".")
    if "driver" not in what:
        return f"{what}; nvidia-smi may tell more"
    return (
        f"{what}; update the driver, or install the PyTorch that is made for it "
        "(pytorch.org)"
    )


def _why_not(name: str) -> str:
    if name == "mps":
        return "it needs an Apple GPU and macOS 12.3 or newer"
    if torch.version.cuda is None:
        return f"this PyTorch ({torch.__version__}) is built without CUDA"
    return (
        f"PyTorch for CUDA {torch.version.cuda} finds no GPU (nvidia-smi should list "
        "one)"
    )


def _driver() -> str | None:
    try:
        return str(torch.cuda.driver_version())  # type: ignore[attr-defined]
    except (AttributeError, RuntimeError):  # older PyTorch does not tell
        return None


def _triton() -> str | None:
    try:
        return metadata.version("triton")
    except metadata.PackageNotFoundError:
        return None
