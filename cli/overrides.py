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
    model: Path | None = None,
) -> Config:
    """Return the settings of a run: those of a preset or a file, then what is asked.

    Args:
        preset: Name of the settings to start from.
        file: File of the settings to start from.
        data: Where the crystals are.
        targets: What to learn; the lone target of the data need not be named.
        settings: ``KEY=VALUE``, which win over all others.
        numbers: Values of settings that have an option of their own.
        model: A model to fine-tune; without preset and file its settings are the start.
    """
    if preset is not None and file is not None:
        raise typer.BadParameter("give either --preset or --config, not both")
    from pyg_sitenet.config import load_config, load_preset, override

    if model is not None and preset is None and file is None:
        start = _settings_of(model)
    else:
        start = load_preset(preset or "default") if file is None else load_config(file)
    asked = _data_settings(data, list(targets or []))
    asked += [
        f"{key}={number}" for key, number in numbers.items() if number is not None
    ]
    if model is None:
        return override(override(start, asked), settings or [])
    from pyg_sitenet.ready_models import READY_MODELS
    from pyg_sitenet.training.fine_tuning import for_other_data

    is_ready = not model.exists() and str(model) in READY_MODELS
    start_from = str(model if is_ready else model.resolve())
    asked.append(f"training.initial_model={json.dumps(start_from)}")
    chosen = for_other_data(override(start, asked))
    return override(chosen, settings or [])


def _settings_of(model: Path) -> Config:
    from pyg_sitenet.model_file import read_description

    return read_description(model).config


def _data_settings(data: str | None, targets: list[str]) -> list[str]:
    from pyg_sitenet.data.sources import open_source

    settings = []
    if data is not None:
        settings.append(f"data.source={json.dumps(data)}")
        source = open_source(data) if not targets else None
        available = [] if source is None else list(source.available)
        if source is not None and not available:
            available = list(source.labels)
        if len(available) == 1:
            targets = available
    if targets:
        settings.append(f"data.targets={json.dumps(targets)}")
    return settings
