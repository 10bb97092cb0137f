"""The recipe of a data set made in Python, checked as the settings of a run are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pyg_sitenet.config import DataConfig, make_config
from pyg_sitenet.data.classes import with_classes
from pyg_sitenet.data.graph.encoder import Encoder, Filter, Transform
from pyg_sitenet.data.sources import open_source
from pyg_sitenet.data.store.recipe import Recipe
from pyg_sitenet.errors import DataError

Source = str | Path | Sequence[str | Path]


def dataset_recipe(
    source: Source,
    targets: tuple[str, ...],
    functions: tuple[Filter | None, Transform | None],
    *,
    time_limit: float | None,
    group: str,
    units: Mapping[str, str],
    **values: Any,  # noqa: ANN401 - checked here
) -> Recipe:
    """Return how a data set is made, with all labels of its classes listed.

    Args:
        source: What the crystals are read from.
        targets: Names of the targets.
        functions: Filter and transform of each graph.
        time_limit: Seconds a crystal may take; None for no limit.
        group: Column that tells which crystals belong together.
        units: Unit that each target is wanted in.
        values: Other settings by their names in :class:`DataConfig`; NumPy's numbers
            become Python's.

    Raises:
        ConfigError: If a setting cannot be.
        DataError: If the labels of the source are no classes, or units or classes name
            what is no target.
        TypeError: If the source is something else, such as structures in memory.
    """
    if time_limit is not None:
        values["time_limit"] = time_limit
    settings = make_config(
        {"data": {"merge": False, **values}}, origin="CrystalDataset"
    ).data
    encoder = Encoder.from_config(settings)
    recipe = Recipe(
        source,
        targets,
        replace(encoder, pre_filter=functions[0], pre_transform=functions[1]),
        open_source,
        None if time_limit is None else settings.time_limit,
        settings.workers,
        settings.classes,
        group,
        units,
    ).checked()
    return replace(recipe, classes=_listed(source, settings))


def _listed(source: Source, settings: DataConfig) -> dict[str, tuple[str, ...]]:
    """Return the labels of each target that is classes, of some as the source has them.

    Raises:
        DataError: If those of several sources at once are not listed.
    """
    unlisted = tuple(name for name, labels in settings.classes.items() if not labels)
    if not unlisted:
        return settings.classes
    if not isinstance(source, str | Path) and len(source) == 1:
        source = source[0]
    if not isinstance(source, str | Path):
        raise DataError(
            f"the classes of {', '.join(map(repr, unlisted))} are looked up in a single"
            f" source, and these are {len(source)}; list the labels, such as"
            f" classes={{{unlisted[0]!r}: ['a', 'b']}}"
        )
    update = {
        "source": str(source),
        "targets": unlisted,
        "classes": dict.fromkeys(unlisted, ()),
    }
    found = with_classes(settings.model_copy(update=update)).classes
    return {**settings.classes, **found}
