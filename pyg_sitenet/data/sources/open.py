"""The one way to open a source, whatever its kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from pyg_sitenet.data.bundled import BUNDLED, BundledData
from pyg_sitenet.data.matbench import MATBENCH
from pyg_sitenet.data.records import Failure
from pyg_sitenet.data.sources.archive import Archive
from pyg_sitenet.data.sources.entry import Entry
from pyg_sitenet.data.sources.file_names import is_archive, is_table
from pyg_sitenet.data.sources.frames import is_database, open_frames
from pyg_sitenet.data.sources.matbench_file import open_task
from pyg_sitenet.data.sources.places import Folder
from pyg_sitenet.data.sources.source import Source, check_targets
from pyg_sitenet.data.sources.tables import open_place, open_table
from pyg_sitenet.errors import DataError

PathLike = str | Path

_PICKLES = (".pkl", ".pickle", ".pckl", ".pt", ".pth", ".joblib")


def open_source(
    source: PathLike | Sequence[PathLike], targets: Sequence[str] = ()
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
            - a table whose rows hold structures: the path of a file (relative to the
              table), the text of a CIF or POSCAR, pymatgen's dictionary, or
              ``{"lattice", "species", "frac_coords"}``; also compressed (``.gz``),
            - any file that ASE or pymatgen reads, with one or many structures
              (targets are the values that its frames carry), or an ASE database,
            - a folder that ``sitenet prepare`` has written,
            - several of these.
        targets: Names of the targets. Their units come from headers such as
            ``gap [eV]`` or ``gap (eV)``, or from a column ``unit``.

    Returns:
        The source; iterating it yields a record or a failure for each crystal.

    Raises:
        DataError: If there is no such source, it cannot be used at all, or it has
            no such target.

    Example:
        >>> source = open_source("dielectric", ["refractive_index"])
        >>> next(iter(source)).targets
        {'refractive_index': 1.86}
    """
    if isinstance(source, str | Path):
        return _open_one(source, tuple(targets))
    if not source:
        raise DataError("no input: name a file, a folder or a data set")
    if len(source) == 1:
        return _open_one(source[0], tuple(targets))
    return _open_several(source, tuple(targets))


def absolute_source(source: str) -> str:
    """Return what names the same source from any folder.

    Args:
        source: A name of data, which stays as it is, or a path.
    """
    name, _, file = source.partition(":")
    if name in MATBENCH:
        return f"{name}:{Path(file).expanduser().resolve()}" if file else source
    path = Path(source).expanduser()
    return source if source in BUNDLED or not path.exists() else str(path.resolve())


def _open_one(source: PathLike, targets: tuple[str, ...]) -> Source:
    if str(source) in BUNDLED:
        return _open_bundled(BUNDLED[str(source)], targets)
    if str(source).partition(":")[0] in MATBENCH:
        return _open_task(str(source), targets)
    path = Path(source).expanduser()
    if path.is_dir():
        return _open_folder(path, targets)
    if not path.exists():
        raise DataError(
            f"{source}: no such file or folder, nor a bundled data set "
            f"({', '.join(BUNDLED)}) or task of Matbench ({', '.join(MATBENCH)})"
        )
    if path.suffix.lower() in _PICKLES:
        raise DataError(
            f"{path}: pickled files are not read, since they can run any program; "
            "export the structures as CIF, extxyz or JSON"
        )
    if is_archive(path.name):
        return open_place(Archive(path), targets)
    if is_table(path.name) and not is_database(path):
        return open_table(path, targets)
    return open_frames(path, targets)


def _open_folder(path: Path, targets: tuple[str, ...]) -> Source:
    if (path / "prepared.json").is_file():
        from pyg_sitenet.data.prepared import open_prepared  # it imports torch

        return open_prepared(path, targets)
    return open_place(Folder(path), targets)


def _open_task(source: str, targets: tuple[str, ...]) -> Source:
    name, _, file = source.partition(":")
    task = MATBENCH[name]
    path = Path(file).expanduser() if file else task.download()
    return open_task(task, path, targets)


def _open_bundled(data: BundledData, targets: tuple[str, ...]) -> Source:
    check_targets(targets, tuple(data.units), data.name)
    return Source(
        name=data.name,
        make_entries=lambda: _bundled_entries(data, targets),
        make_digest=data.digest,
        units=dict(data.units),
        available=tuple(data.units),
        count=data.num_crystals,
    )


def _bundled_entries(data: BundledData, targets: tuple[str, ...]) -> Iterator[Entry]:
    for row in data.rows():
        origin = f"bundled data set {data.name}, {row['id']}"
        values = {name: float(row[name]) for name in targets}
        yield Entry(row["id"], origin, row["structure"], values)


def _open_several(sources: Sequence[PathLike], targets: tuple[str, ...]) -> Source:
    """Open several sources as one.

    Without targets, for prediction, one that cannot be opened is a failure among the
    rest, and crystals of the same name are told apart by where they come from.
    """
    opened: list[Source | Failure] = []
    for source in sources:
        try:
            opened.append(_open_one(source, targets))
        except DataError as error:
            if targets:
                raise
            opened.append(_unopened(source, error))
    found = [one for one in opened if isinstance(one, Source)]
    return Source(
        name=f"{sources[0]} and {len(sources) - 1} more",
        make_entries=lambda: _join(opened, rename=not targets),
        make_digest=lambda: "\n".join(source.digest() for source in found),
        units=_join_units(found, targets),
        available=[
            name
            for name in found[0].available
            if all(name in one.available for one in found)
        ]
        if found
        else (),
    )


def _unopened(source: PathLike, error: DataError) -> Failure:
    return Failure(
        str(source),
        Path(source).stem,
        "read",
        str(error),
        "check the path and the file",
    )


def _join(
    sources: Sequence[Source | Failure], *, rename: bool
) -> Iterator[Entry | Failure]:
    taken: set[str] = set()
    for source in sources:
        if isinstance(source, Failure):
            yield source
            continue
        new: set[str] = set()
        for entry in source.entries():
            if not isinstance(entry, Entry):
                yield entry
                continue
            new.add(entry.id)
            same = rename and entry.id in taken
            yield replace(entry, id=entry.origin) if same else entry
        taken |= new


def _join_units(sources: Sequence[Source], targets: Sequence[str]) -> dict[str, str]:
    units: dict[str, str] = {}
    for source in sources:
        for name, unit in source.units.items():
            if units.setdefault(name, unit) != unit and name in targets:
                raise DataError(
                    f"{source.name}: {name!r} is in {unit!r}, elsewhere in "
                    f"{units[name]!r}; convert the values to one unit"
                )
    return units
