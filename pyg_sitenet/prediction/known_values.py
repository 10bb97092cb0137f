"""Crystals to predict, with those targets of a model whose values they state."""

from __future__ import annotations

from pathlib import Path

from pyg_sitenet.data.readers.source import Source
from pyg_sitenet.data.readers.wanted import MissingTargetError
from pyg_sitenet.data.sources.open import open_source
from pyg_sitenet.model_file import ModelDescription


def open_known(
    data: str | Path, description: ModelDescription, *, needed: bool = False
) -> tuple[Source, list[str]]:
    """Open crystals, with the known values that they have.

    Args:
        data: Anything that :func:`~pyg_sitenet.data.sources.open_source` opens.
        description: Of a model, in whose units the values are wanted.
        needed: Whether values of at least one target are.

    Returns:
        The source, and the targets of the model that it states.

    Raises:
        DataError: If it cannot be opened, states a target in a way that cannot be used,
            or none that is needed.
    """
    targets = list(description.targets)
    while True:
        try:
            source = open_source(
                data, targets, classes=description.classes, units=description.units
            )
        except MissingTargetError as error:
            targets = [name for name in targets if name not in error.targets]
            if needed and not targets:
                named = ", ".join(description.targets)
                raise MissingTargetError(
                    f"{error}; columns with the known values are to have the names that"
                    f" the model has for them, {named}",
                    error.targets,
                ) from error
        else:
            return source, targets
