"""Places that hold files: a folder or a zip archive, looked into the same way."""

from __future__ import annotations

import hashlib
import lzma
import stat
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from pyg_sitenet.data.sources.content import Content, Text
from pyg_sitenet.errors import DataError

STRUCTURE_SUFFIXES = frozenset(
    {".cif", ".mcif", ".vasp", ".poscar", ".contcar", ".xsf", ".res", ".cssr"}
)
FRAME_SUFFIXES = frozenset({".extxyz", ".xyz", ".traj"})
TABLE_SUFFIXES = frozenset({".csv", ".json", ".jsonl"})

# Far above any set of crystals, far below what an archive made to harm unpacks to.
MAX_MEMBERS = 1_000_000
MAX_TOTAL_BYTES = 4 * 1024**3
MAX_MEMBER_BYTES = 1024**3
MAX_RATIO = 200

# What reading a damaged or foreign member is known to raise.
_DAMAGES = (
    OSError,
    EOFError,
    NotImplementedError,
    lzma.LZMAError,
    zipfile.BadZipFile,
    zlib.error,
)


def is_structure_file(name: str) -> bool:
    """Tell by its name whether a file holds one structure."""
    path = PurePosixPath(name)
    return path.suffix.lower() in STRUCTURE_SUFFIXES or path.name.upper().startswith(
        ("POSCAR", "CONTCAR")
    )


def is_table(name: str) -> bool:
    """Tell by its name whether a file is a table (also compressed with gzip)."""
    path = PurePosixPath(name.lower().removesuffix(".gz"))
    return path.suffix in TABLE_SUFFIXES


def id_of_file(name: str) -> str:
    """Name the crystal of a file: its path without the ending of a structure file."""
    path = PurePosixPath(name)
    known = STRUCTURE_SUFFIXES | FRAME_SUFFIXES
    return str(path.with_suffix("")) if path.suffix.lower() in known else str(path)


class Folder:
    """A folder of files.

    Args:
        root: The folder.
        recursive: Look into the folders below it too.
    """

    def __init__(self, root: Path, *, recursive: bool = True) -> None:
        self.root = root
        self.name = str(root)
        paths = root.rglob("*") if recursive else root.iterdir()
        self.files = _visible(
            path.relative_to(root).as_posix() for path in paths if path.is_file()
        )
        self._index = _index(self.files)

    def origin(self, name: str) -> str:
        """Say where a file is, for messages."""
        return str(self.root / name)

    def read(self, name: str) -> bytes:
        """Return the bytes of a file."""
        try:
            return (self.root / name).read_bytes()
        except OSError as error:
            raise DataError(
                f"{self.root / name}: cannot be read: {error.strerror}"
            ) from error

    def content(self, name: str) -> Content:
        """Return what a structure can be read from."""
        return self.root / name

    def find(self, key: str) -> list[str]:
        """Return the files that a path, a name or a name without ending means."""
        try:
            if (self.root / key).is_file():
                return [key]
        except (OSError, ValueError):  # too long, or characters no path can have
            return []
        return self._index.get(key, [])

    def digest(self, names: Sequence[str]) -> str:
        """Hash names and contents of files."""
        digest = hashlib.sha256()
        for name in names:
            content = hashlib.sha256(self.read(name)).hexdigest()
            digest.update(f"{name}\0{content}\n".encode())
        return digest.hexdigest()


class Archive:
    """A zip archive, read in place: nothing of it is unpacked into a folder.

    Args:
        path: The archive.

    Raises:
        DataError: If it is no zip archive, or if it holds links, encrypted files,
            paths that lead out of it, or more than could be meant.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path)
        try:
            self._zip = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile) as error:
            raise DataError(f"{path}: not a zip archive: {error}") from error
        members = [member for member in self._zip.infolist() if not member.is_dir()]
        _check_members(path, members)
        self.files = _visible(member.filename for member in members)
        self._index = _index(self.files)

    def origin(self, name: str) -> str:
        """Say where a file is, for messages."""
        return f"{self.path}/{name}"

    def read(self, name: str) -> bytes:
        """Return the bytes of a file."""
        try:
            return self._zip.read(name)
        except _DAMAGES as error:
            raise DataError(f"{self.origin(name)}: damaged: {error}") from error

    def content(self, name: str) -> Content:
        """Return what a structure can be read from."""
        return Text(self.read(name), name)

    def find(self, key: str) -> list[str]:
        """Return the files that a path, a name or a name without ending means."""
        return self._index.get(key, [])

    def digest(self, names: Sequence[str]) -> str:  # noqa: ARG002
        """Hash the archive."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()


Place = Folder | Archive


def _visible(names: Iterator[str]) -> list[str]:
    """Leave out what file managers hide or add, sorted."""
    return sorted(
        name
        for name in names
        if not any(part.startswith((".", "__MACOSX")) for part in name.split("/"))
    )


def _index(files: Sequence[str]) -> dict[str, list[str]]:
    """Map path, name and both without ending to the structure files they mean."""
    index: dict[str, list[str]] = defaultdict(list)
    for name in filter(is_structure_file, files):
        base = PurePosixPath(name).name
        for key in dict.fromkeys((name, id_of_file(name), base, id_of_file(base))):
            index[key].append(name)
    return dict(index)


def _check_members(path: Path, members: Sequence[zipfile.ZipInfo]) -> None:
    total = sum(member.file_size for member in members)
    if len(members) > MAX_MEMBERS or total > MAX_TOTAL_BYTES:
        raise DataError(
            f"{path}: {len(members)} files of {total} bytes are more than the "
            f"{MAX_MEMBERS} files of {MAX_TOTAL_BYTES} bytes that are read from an "
            "archive; unpack it"
        )
    for member in members:
        reason = _refusal(member)
        if reason:
            raise DataError(f"{path}: {member.filename!r} {reason}; unpack it yourself")


def _refusal(member: zipfile.ZipInfo) -> str:
    parts = PurePosixPath(member.filename).parts
    if member.filename.startswith("/") or ".." in parts or ":" in parts[0]:
        return "leads out of the archive"
    if stat.S_ISLNK(member.external_attr >> 16):
        return "is a link"
    if member.flag_bits & 0x1:
        return "is encrypted"
    large = member.file_size > 2**20
    if member.file_size > MAX_MEMBER_BYTES or (
        large and member.file_size > MAX_RATIO * member.compress_size
    ):
        return f"would unpack to {member.file_size} bytes"
    return ""
