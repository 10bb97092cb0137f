"""One rule for the device that a command computes on."""

from __future__ import annotations

from importlib import metadata
from typing import Any

import torch

from pyg_sitenet.errors import ConfigError

DEVICES = ("auto", "cpu", "cuda", "mps")


def choose_device(name: str = "auto") -> torch.device:
    """Return the device of a name, if it is there.

    Args:
        name: ``"auto"`` takes a GPU where there is one, NVIDIA's before Apple's.

    Raises:
        ConfigError: If there is no such device, here or at all.
    """
    if name == "auto":
        return next(device for device in map(_device, ("cuda", "mps", "cpu")) if device)
    if name not in DEVICES:
        raise ConfigError(
            f"unknown device {name!r}, expected one of: {', '.join(DEVICES)}"
        )
    device = _device(name)
    if device is None:
        raise ConfigError(
            f"no device {name!r} here: {_why_not(name)}; choose another (--device cpu)"
        )
    return device


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


def _device(name: str) -> torch.device | None:
    is_there = (
        name == "cpu"
        or (name == "cuda" and torch.cuda.is_available())
        or (name == "mps" and torch.backends.mps.is_available())
    )
    return torch.device(name) if is_there else None


def _why_not(name: str) -> str:
    if name == "mps":
        return "it needs an Apple GPU and macOS 12.3 or newer"
    if torch.version.cuda is None:
        return f"this PyTorch ({torch.__version__}) is built without CUDA"
    return (
        f"PyTorch for CUDA {torch.version.cuda} finds no GPU, or a driver that is too "
        "old (see nvidia-smi)"
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
