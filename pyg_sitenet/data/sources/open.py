"""Open any source of crystals: data sets by name, folders, archives, tables, files."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pyg_sitenet.data.readers.entry import Entry
from pyg_sitenet.data.readers.files.archive import Archive
from pyg_sitenet.data.readers.files.file_names import is_archive, is_table
from pyg_sitenet.data.readers.files.multi_frame import is_database
from pyg_sitenet.data.readers.files.places import Folder
from pyg_sitenet.data.readers.frame_table import open_frames
from pyg_sitenet.data.readers.named.bundled import BUNDLED, BundledData
from pyg_sitenet.data.readers.named.matbench_file import open_task
from pyg_sitenet.data.readers.named.matbench_tasks import MATBENCH
from pyg_sitenet.data.readers.source import Source
from pyg_sitenet.data.readers.tables.open_table import open_place, open_table
from pyg_sitenet.data.readers.targets import TargetError
from pyg_sitenet.data.readers.wanted import Wanted
from pyg_sitenet.data.records import Failure
from pyg_sitenet.data.sources.together import open_together
from pyg_sitenet.data.structure.border import enough_memory
from pyg_sitenet.data.structure.refused import PICKLE_ENDINGS
from pyg_sitenet.errors import DataError

PathLike = str | Path

_SPREADSHEETS = (".xlsm", ".xlsb", ".xls", ".ods")


def open_source(
    source: PathLike | Sequence[PathLike],
    targets: str | Sequence[str] = (),
    *,
    classes: Mapping[str, Sequence[str]] | None = None,
    group: str = "",
    units: Mapping[str, str] | None = None,
) -> Source:
    """Open anything that holds crystals.

    Args:
        source: One of

            - the name of a bundled data set (``"dielectric"``),
            - the name of a structure task of Matbench (``"matbench_phonons"``), which
              is downloaded; ``"matbench_phonons:FILE"`` takes a file that is there,
            - a folder or zip archive of structure files, with a table (CSV, JSON or
              JSON lines) if targets are asked for; CGCNN's ``id_prop.csv`` needs no
              header,
            - a table (CSV, TSV, JSON, JSON lines, also compressed as ``.gz``, or
              ``.xlsx``) whose rows hold structures: the path of a file (relative to the
              table), the text of a CIF or POSCAR, pymatgen's dictionary, or
              ``{"lattice", "species", "frac_coords"}``,
            - an OPTIMADE response, or a list of its entries,
            - a structure file, trajectory or ASE database in one of the formats listed
              on the page on data; targets are the values that its frames carry,
            - a folder that ``sitenet prepare`` has written,
            - several of these.
        targets: Names of the targets. Their units come from headers such as
            ``gap [eV]`` or ``gap (eV)``, or from a column ``unit``, of frames
            from a value such as ``gap_unit``.
        classes: Labels of those targets that are classes; the value of a crystal is
            the index of its label among them.
        group: Column whose label tells which crystals belong together.
        units: Unit of each target; values that state another are converted. (default:
            the first that the source states)

    Returns:
        The source; iterating it yields a record or a failure for each crystal.

    Raises:
        DataError: If there is no such source, it cannot be used at all, or it has
            no such target or column.

    Example:
        >>> source = open_source("dielectric", ["refractive_index"])
        >>> next(iter(source)).targets
        {'refractive_index': 1.86}
    """
    targets = (targets,) if isinstance(targets, str) else tuple(targets)
    for name, number in Counter(targets).items():
        if number > 1:
            raise DataError(
                f"the target {name!r} is named {number} times; name it once"
            )
    wanted = Wanted(targets, classes or {}, group, units or {})
    sources: Sequence[Any] = source if isinstance(source, list | tuple) else [source]
    if not sources:
        raise DataError("no input: name a file, a folder or a data set")
    for single in sources:
        if not isinstance(single, str | Path):
            raise _no_source(single)
    if len(sources) == 1:
        return _open_one(sources[0], wanted)
    return open_together(sources, wanted, _open_one)


def _no_source(given: object) -> DataError:
    return DataError(
        "expected the path of crystals, the name of a data set, or several of them,"
        f" got {type(given).__name__}; write a table to a file (CSV or JSON), and"
        " structures in memory to files, or predict these with Predictor.predict"
    )


def absolute_source(source: str) -> str:
    """Return what names the same source from any folder.

    Args:
        source: A name of data, which stays as it is, or a path.
    """
    name, _, file = source.partition(":")
    if name in MATBENCH:
        return f"{name}:{Path(file).expanduser().resolve()}" if file else source
    path = Path(source).expanduser()
    is_path = source not in BUNDLED and os.path.exists(path)
    return str(path.resolve()) if is_path else source


def _open_one(source: PathLike, wanted: Wanted) -> Source:
    with enough_memory(str(source), DataError):
        return _open(source, wanted)


def _open(source: PathLike, wanted: Wanted) -> Source:
    if str(source) in BUNDLED:
        return _open_bundled(BUNDLED[str(source)], wanted)
    if str(source).partition(":")[0] in MATBENCH:
        return _open_task(str(source), wanted)
    path = Path(source).expanduser()
    if os.path.isdir(path):  # False, and no error, of a text that can be no path
        return _open_folder(path, wanted)
    if not os.path.exists(path) and "*" in path.name:
        raise DataError(f"{source}: no file matches; name the folder, or its files")
    if not os.path.exists(path):
        raise DataError(
            f"{source}: no such file or folder, nor a bundled data set "
            f"({', '.join(BUNDLED)}) or task of Matbench ({', '.join(MATBENCH)})"
        )
    _refuse_by_name(path)
    if is_archive(path.name):
        return open_place(Archive(path), wanted)
    if is_table(path.name) and not is_database(path):
        return open_table(path, wanted)
    return open_frames(path, wanted)


def _refuse_by_name(path: Path) -> None:
    ending = path.suffix.lower()
    if ending in PICKLE_ENDINGS:
        raise DataError(
            f"{path}: pickled files are not read, since they can run any program; "
            "export the structures as CIF, extxyz or JSON"
        )
    if ending in _SPREADSHEETS:
        raise DataError(
            f"{path}: a spreadsheet, which is not read; save its sheet as CSV (UTF-8)"
        )


def _open_folder(path: Path, wanted: Wanted) -> Source:
    if (path / "prepared.json").is_file():
        from pyg_sitenet.data.sources.prepared import open_prepared  # it imports torch

        return open_prepared(path, wanted, open_source)
    return open_place(Folder(path), wanted)


def _open_task(source: str, wanted: Wanted) -> Source:
    name, _, file = source.partition(":")
    task = MATBENCH[name]
    path = Path(file).expanduser() if file else task.download()
    return open_task(task, path, wanted)


def _open_bundled(data: BundledData, wanted: Wanted) -> Source:
    wanted.check(data.name, tuple(data.units), data.labels)
    stated = {name: unit for name, unit in data.units.items() if unit}
    wanted = wanted.in_units(data.name, stated)
    return Source(
        name=data.name,
        make_entries=lambda: _bundled_entries(data, wanted, stated),
        make_digest=data.digest,
        units={name: wanted.units.get(name, data.units[name]) for name in data.units},
        available=tuple(data.units),
        count=data.num_crystals,
        labels=data.labels,
        make_column=lambda name: (row.get(name) for row in data.rows()),
    )


def _bundled_entries(
    data: BundledData, wanted: Wanted, stated: Mapping[str, str]
) -> Iterator[Entry | Failure]:
    for row in data.rows():
        origin = f"bundled data set {data.name}, {row['id']}"
        entry = Entry(row["id"], origin, row["structure"])
        try:
            values, group = wanted.values(row, stated), wanted.group_of(row)
        except TargetError as error:
            yield entry.fail(str(error), "choose other classes")
        else:
            yield replace(entry, targets=values, group=group)
