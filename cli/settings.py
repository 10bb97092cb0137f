"""The settings of a command, from its options."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from pyg_sitenet.config import Config


def choose_settings(
    preset: str | None,
    file: Path | None,
    data: str | None,
    targets: Sequence[str] | None,
    settings: Sequence[str] | None,
    numbers: Mapping[str, int | None],
) -> Config:
    """Return the settings of a run: those of a preset or a file, then what is asked.

    Args:
        preset: Name of the settings to start from.
        file: File of the settings to start from.
        data: Where the crystals are.
        targets: What to learn; the lone target of the data need not be named.
        settings: ``KEY=VALUE``, which win over all others.
        numbers: Values of settings that have an option of their own.
    """
    if preset is not None and file is not None:
        raise typer.BadParameter("give either --preset or --config, not both")
    from pyg_sitenet.config import load_config, load_preset, override

    start = load_preset(preset or "default") if file is None else load_config(file)
    asked = _data_settings(data, list(targets or []))
    asked += [f"{key}={one}" for key, one in numbers.items() if one is not None]
    return override(override(start, asked), settings or [])


def _data_settings(data: str | None, targets: list[str]) -> list[str]:
    from pyg_sitenet.data.sources import open_source

    settings = []
    if data is not None:
        settings.append(f"data.source={json.dumps(data)}")
        available = list(open_source(data).available) if not targets else []
        if len(available) == 1:
            targets = available
    if targets:
        settings.append(f"data.targets={json.dumps(targets)}")
    return settings
