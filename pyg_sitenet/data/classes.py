"""Targets that are classes, and their labels, from settings and data."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence

from pyg_sitenet.config import DataConfig
from pyg_sitenet.config.labels import as_label
from pyg_sitenet.data.readers.cells import is_gap
from pyg_sitenet.data.readers.named.bundled import BUNDLED
from pyg_sitenet.data.readers.named.matbench_tasks import MATBENCH
from pyg_sitenet.data.readers.targets import is_stated, place_of
from pyg_sitenet.data.sources import Source, open_source
from pyg_sitenet.data.store.folder import is_prepared, read_prepared
from pyg_sitenet.errors import DataError

_logger = logging.getLogger(__name__)

# More are rather names or numbers; who means them can list them.
_MOST = 100
# So few labels may all differ where classes are asked for.
_FEW = 10
_SHOWN = 5  # spellings


def with_classes(data: DataConfig) -> DataConfig:
    """Find the labels of targets that are classes and that the settings do not list.

    A target is classes if the settings say so (``data.classes={kind: []}``) or if its
    column holds text or booleans. Their order is that of the numbers, if they are
    numbers, else of the alphabet.

    Args:
        data: Source, targets, and classes as far as they are listed.

    Returns:
        The same with all classes listed.

    Raises:
        DataError: If the source cannot be opened or has no such target, or if what it
            holds are no classes: a single label, more than a hundred, or
            nearly as many as crystals.
    """
    _check_names(data)
    tell_spellings(data.source, {k: v for k, v in data.classes.items() if v})
    open_names = [name for name in data.targets if not data.classes.get(name)]
    labels = _labels_of_named(data.source)
    if labels is not None:  # no need to look through a large file
        open_names = [n for n in open_names if n in data.classes or n in labels]
    if not open_names:
        return data
    prepared = is_prepared(data.source)
    classes = _prepared(data, open_names) if prepared else _find(data, open_names)
    return data.model_copy(update={"classes": {**data.classes, **classes}})


def tell_spellings(source: str | Source, classes: Mapping[str, Sequence[str]]) -> None:
    """Say which labels of a source are taken for classes that are spelled otherwise.

    Args:
        source: Crystals, or what they are opened from.
        classes: Labels of each target that is classes.
    """
    if not classes:
        return
    if isinstance(source, str):
        if _labels_of_named(source) is not None or is_prepared(source):
            return
        source = open_source(source, list(classes), classes=classes)
    for name, labels in classes.items() if source.make_column else ():
        cells = (c for c in source.column(name) if is_stated(c, name, classes))
        others = {label for label in map(as_label, cells) if label not in labels}
        places = {label: place_of(label, labels) for label in sorted(others)}
        _tell(name, {a: labels[k] for a, k in places.items() if k is not None})


def _tell(name: str, spelled: Mapping[str, str]) -> None:
    """Say which labels are taken for which."""
    pairs = [
        f"{label!r:.60} taken as {other!r:.60}" for label, other in spelled.items()
    ]
    if pairs:
        more = f" and {len(pairs) - _SHOWN} more" if len(pairs) > _SHOWN else ""
        shown = ", ".join(pairs[:_SHOWN]) + more
        remedy = "list each in data.classes to keep them apart"
        _logger.warning("%s: %s; %s", name, shown, remedy)


def _labels_of_named(source: str) -> tuple[str, ...] | None:
    """Return which columns of data with a name are classes, if that is known."""
    task = MATBENCH.get(source.partition(":")[0])
    if source in BUNDLED:
        return BUNDLED[source].labels
    return () if task is not None and task.kind == "regression" else None


def _check_names(data: DataConfig) -> None:
    for name in data.classes:
        if name not in data.targets:
            raise DataError(
                f"data.classes names {name!r}, which is no target; data.targets has"
                f" {', '.join(data.targets)}"
            )


def _prepared(data: DataConfig, names: list[str]) -> dict[str, tuple[str, ...]]:
    """Return the classes that a folder of encoded crystals was prepared with."""
    prepared = read_prepared(data.source, open_source).recipe.classes
    for name in names:
        if name in data.classes and name not in prepared:
            raise DataError(
                f"{data.source}: {name!r} was prepared as numbers; prepare the crystals"
                f" again with data.classes={{{name}: []}}"
            )
    return {name: tuple(prepared[name]) for name in names if name in prepared}


def _find(data: DataConfig, names: list[str]) -> dict[str, tuple[str, ...]]:
    unlisted: Mapping[str, tuple[str, ...]] = dict.fromkeys(names, ())
    source = open_source(data.source, names, classes=unlisted)
    labels = {}
    for name in names:
        if name not in data.classes and name not in source.labels:
            continue
        counts = _count(source, name, is_asked=name in data.classes)
        labels[name] = _ordered(counts)
        shown = ", ".join(f"{label} ({counts[label]})" for label in labels[name])
        level = logging.INFO if name in data.classes else logging.WARNING
        _logger.log(level, "%s: labels, learnt as the classes %s", name, shown)
    return labels


def _count(source: Source, name: str, *, is_asked: bool) -> Counter[str]:
    """Count the labels of a target.

    Raises:
        DataError: If they are no classes.
    """
    cells = source.column(name)
    labels = Counter(as_label(cell) for cell in cells if not is_gap(cell))
    spelled, counts = _alike(labels), Counter[str]()
    for label, number in labels.items():
        counts[spelled[label]] += number
    if len(counts) == 1:
        raise DataError(
            f"{source.name}: the target {name!r} is {next(iter(counts))!r} for all"
            f" {counts.total()} crystals; a classification needs two"
            f" classes, add crystals of another{_unknown(source, name)}"
        )
    # Text that hardly repeats is a name or a number with its unit, unless asked for.
    share = 0.8 if is_asked else 0.5
    most = min(_MOST, max(_FEW if is_asked else 2, int(share * counts.total())))
    if not 0 < len(counts) <= most:
        raise DataError(
            f"{source.name}: the target {name!r} has {len(counts)} different labels in"
            f" {counts.total()} crystals{_example(counts)}, too many for classes;"
            " numbers are written like 1.5; choose another target, or list its classes"
            " in data.classes"
        )
    _tell(name, {a: b for a, b in spelled.items() if a != b})
    return counts


def _unknown(source: Source, name: str) -> str:
    """Say which cells were taken for gaps: who means them as a class can list them."""
    words = Counter(str(cell).strip() for cell in source.column(name) if is_gap(cell))
    shown = ", ".join(f"{word!r} ({words[word]})" for word in words if word)
    return f", or list {shown} in data.classes if they are one" if shown else ""


def _alike(counts: Counter[str]) -> dict[str, str]:
    """Return for each label the most frequent one that differs in capitals at most."""
    first: dict[str, str] = {}
    for label, _ in counts.most_common():
        first.setdefault(label.lower(), label)
    return {label: first[label.lower()] for label in counts}


def _example(counts: Counter[str]) -> str:
    return f", such as {next(iter(counts))!r:.40}" if counts else ""


def _ordered(counts: Counter[str]) -> tuple[str, ...]:
    """Sort labels, numbers by their value."""
    try:
        return tuple(sorted(counts, key=float))
    except ValueError:
        return tuple(sorted(counts))
