"""The settings of a command, from its options."""

from __future__ import annotations

import json
import os
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
    names = list(targets or []) or _sole_targets(data, start, settings or [])
    overrides = [] if data is None else [f"data.source={json.dumps(data)}"]
    overrides += [f"data.targets={json.dumps(names)}"] if names else []
    overrides += [
        f"{key}={number}" for key, number in numbers.items() if number is not None
    ]
    if model is None:
        return override(override(start, overrides), settings or [])
    from pyg_sitenet.ready_models import READY_MODELS
    from pyg_sitenet.training.network import for_other_data

    is_ready = not os.path.exists(model) and str(model) in READY_MODELS
    start_from = str(model if is_ready else model.resolve())
    overrides.append(f"training.initial_model={json.dumps(start_from)}")
    chosen = for_other_data(override(start, overrides))
    return override(chosen, settings or [])


def _settings_of(model: Path) -> Config:
    from pyg_sitenet.model_file import read_description

    return read_description(model).config


def _sole_targets(
    data: str | None, start: Config, settings: Sequence[str]
) -> list[str]:
    """Return the target of data that have a single one; else those of the settings.

    Raises:
        DataError: If the data have several, none of which the settings name.
    """
    if data is None:
        return []
    from pyg_sitenet.data.sources import open_source
    from pyg_sitenet.errors import DataError

    source = open_source(data)
    columns = [*source.available, *source.labels]
    choices = list(source.available) or columns
    if len(choices) == 1:
        return choices
    is_named = any(setting.startswith("data.targets=") for setting in settings)
    if choices and not is_named and not set(columns) & set(start.data.targets):
        shown = ", ".join(map(repr, choices[:10])) + ", ..." * (len(choices) > 10)
        raise DataError(
            f"{data}: has the columns {shown}; say which is the target with --target"
        )
    return []
