"""Crystals to predict, with those targets of a model whose values they state."""

from __future__ import annotations

from pathlib import Path

from pyg_sitenet.data.readers.source import Source
from pyg_sitenet.data.sources.open import open_source
from pyg_sitenet.model_file import ModelDescription


def open_known(
    data: str | Path, description: ModelDescription
) -> tuple[Source, list[str]]:
    """Open crystals, with the known values that they have.

    Args:
        data: Anything that :func:`~pyg_sitenet.data.sources.open_source` opens.
        description: Of a model, in whose units the values are wanted.

    Returns:
        The source, and the targets of the model that it states.
    """
    targets = open_source(data).has(description.targets, description.classes)
    source = open_source(
        data, targets, classes=description.classes, units=description.units
    )
    return source, targets
