"""What Ray keeps free for each trial of a search."""

from __future__ import annotations

import math

from pyg_sitenet.errors import ConfigError


def trial_resources(
    accelerator: str, gpus: float, concurrent: int | None
) -> dict[str, float]:
    """Return what Ray keeps free for a trial: it hides the GPUs nobody asks for.

    Args:
        accelerator: Kind of device.
        gpus: Those that Ray has.
        concurrent: Trials at a time, which share the GPUs. (default: one on each)

    Raises:
        ConfigError: If a GPU is asked for and Ray has none.
    """
    if accelerator in ("cuda", "gpu") and not gpus:
        raise ConfigError(
            f"no device {accelerator!r} for trials: Ray has no GPU; start Ray where "
            "there is one, or choose another device (--device cpu)"
        )
    if accelerator in ("cpu", "mps") or not gpus:
        return {"cpu": 1.0}
    return {"cpu": 1.0, "gpu": 1.0 / max(1, math.ceil((concurrent or 1) / gpus))}
