"""Trials ask Ray for the GPUs that they are to compute on."""

from __future__ import annotations

import pytest

from pyg_sitenet.errors import ConfigError
from pyg_sitenet.tuning.resources import trial_resources


@pytest.mark.parametrize(
    ("gpus", "concurrent", "share"),
    [(1, None, 1.0), (4, None, 1.0), (1, 2, 0.5), (2, 3, 0.5), (4, 2, 1.0)],
)
def test_trials_at_a_time_share_the_gpus(
    gpus: int, concurrent: int | None, share: float
) -> None:
    for accelerator in ("auto", "cuda"):
        resources = trial_resources(accelerator, gpus, concurrent)
        assert resources == {"cpu": 1.0, "gpu": share}


def test_trials_on_the_cpu_leave_gpus_to_others() -> None:
    assert trial_resources("cpu", 2, None) == {"cpu": 1.0}
    assert trial_resources("auto", 0, 3) == {"cpu": 1.0}


def test_gpu_that_ray_does_not_have_is_one_clear_line() -> None:
    message = r"no device 'cuda' for trials: Ray has no GPU; .*\(--device cpu\)$"
    with pytest.raises(ConfigError, match=message):
        trial_resources("cuda", 0, None)
