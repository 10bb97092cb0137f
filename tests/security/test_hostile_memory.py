"""Files that unpack to more, or take more memory, than a command has."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import resource
from pathlib import Path

import pytest

PACK = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}
TEXT = (".cif", ".vasp", ".xyz", ".extxyz", ".json", ".mson", ".yaml", ".yml")
TEXT = (*TEXT, ".cell", ".xsf", ".pwi", ".pwo", ".lammpstrj", ".xdatcar")
TABLES = (".csv", ".tsv", ".jsonl", ".ndjson")


def bomb(packing: str, size: int) -> bytes:
    """Return a file that unpacks to so many MB of long lines, of one MB each."""
    line = b"0 " * (1 << 19)
    return PACK[packing](line[:-1] + b"\n") * size


def most_memory(size: int):
    """Limit a child to so many MB more than it has."""

    def limit():
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + size * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (most, most))

    return limit


def assert_only_good(done, names):
    """Check that the file without fault was predicted and each other has a reason."""
    assert done.exit_code == 0, (done.exit_code, done.stdout[-500:], done.stderr)
    values = json.loads(done.stdout)
    assert [row["id"] for row in values["predictions"]] == ["good"]
    assert len(values["failures"]) == names


PREDICT = ("predict", "band-gap", "--json", "--workers", 1)


@pytest.mark.parametrize(
    ("packing", "endings"),
    [
        (".xz", (".cif", ".mson", ".jsonl")),
        *(
            pytest.param(packing, (*TEXT, *TABLES), marks=pytest.mark.slow)
            for packing in (".gz", ".bz2", ".xz")
        ),
    ],
)
def test_bomb_is_a_failure_within_little_memory(
    tmp_path, good, in_child, packing, endings
):
    paths = [tmp_path / f"{ending[1:]}{ending}{packing}" for ending in endings]
    for path in paths:
        path.write_bytes(bomb(packing, 600))
    done = in_child(*PREDICT, good, *paths, before=most_memory(900), seconds=500)
    assert_only_good(done, len(paths))


@pytest.mark.slow
@pytest.mark.parametrize("ending", [*TEXT, *TABLES])
def test_huge_value_is_a_failure_within_little_memory(tmp_path, good, in_child, ending):
    path = tmp_path / f"a{ending}"
    start = {".mson": b'{"a": "', ".json": b'{"a": "', ".csv": b'id\n"', ".cif": b"d_"}
    with path.open("wb") as file:
        file.write(start.get(ending, b""))
        for _ in range(150):
            file.write(b"1" * 2**20)
    done = in_child(*PREDICT, good, path, before=most_memory(1200), seconds=500)
    assert_only_good(done, 1)


LISTS = '{"a": [' + "[]," * 4_000_000 + "[]]}"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.mson", "a.json", "a.jsonl", "a.csv"])
def test_memory_that_one_file_lacks_costs_that_file_alone(
    tmp_path, good, in_child, name
):
    """A real MemoryError: the child has less than the values of the file take."""
    cell = LISTS.replace('"', '""')
    text = f'id,structure\n1,"{cell}"\n' if name == "a.csv" else LISTS
    (tmp_path / name).write_text(text)
    before = most_memory(120)
    done = in_child(*PREDICT, good, tmp_path / name, before=before, seconds=300)
    assert_only_good(done, 1)
    assert "memory" in json.loads(done.stdout)["failures"][0]["reason"]
