"""Make the bundled data sets from matminer's source package.

The package is fetched with the ordinary client, and this script reads the tables
it needs straight from the archive::

    pip download matminer==0.3.7 --no-deps --no-binary :all:
    python scripts/make_bundled_data.py matminer-0.3.7.tar.gz

The same archive always gives the same bytes.
"""

from __future__ import annotations

import argparse
import ast
import csv
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TABLES = "matminer-0.3.7/matminer/datasets"
OUTPUT = Path(__file__).parents[1] / "pyg_sitenet/data"
Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the archive: its hash, and what becomes of one of its rows."""

    sha256: str
    read_row: Callable[[Row], dict[str, Any]]


def main() -> None:
    """Read the archive named on the command line and write the data files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archive", type=Path, help="matminer-0.3.7.tar.gz")
    parser.add_argument("--output", type=Path, default=OUTPUT, metavar="DIR")
    arguments = parser.parse_args()
    for name, (file, table) in DATA_SETS.items():
        rows = read_rows(arguments.archive, f"{TABLES}/{file}", table)
        write_rows(rows, arguments.output / name / f"{name}.jsonl.gz")


def read_rows(archive: Path, path: str, table: Table) -> Iterator[dict[str, Any]]:
    """Yield one row per compound: id, targets and structure."""
    with tarfile.open(archive) as package:
        member = package.extractfile(path)
        if member is None:
            raise SystemExit(f"{archive}: {path} is not a file")
        content = member.read()
    if hashlib.sha256(content).hexdigest() != table.sha256:
        raise SystemExit(f"{archive}: {path} is not the table of matminer 0.3.7")
    csv.field_size_limit(len(content))
    lines = csv.reader(io.StringIO(content.decode("utf-8"), newline=""))
    next(lines)  # the line with the reference, a comment
    header = next(lines)
    for values in lines:
        # Rows may start with pandas' unnamed index, which the header leaves out.
        index = [""] * (len(values) - len(header))
        yield table.read_row(dict(zip([*index, *header], values, strict=True)))


def read_dielectric(row: Row) -> dict[str, Any]:
    """Take id, band gap (eV), refractive index and structure from a row."""
    return {
        "id": row["material_id"],
        "band_gap": float(row["band_gap"]),
        "refractive_index": float(row["n"]),
        "structure": parse_poscar(row["poscar"]),
    }


def read_formation_energy(row: Row) -> dict[str, Any]:
    """Take id, formation energy (eV per atom, to 1e-6) and structure from a row."""
    return {
        "id": row["material_id"],
        "formation_energy": round(float(row["formation_energy_per_atom"]), 6),
        "structure": parse_structure(row["structure"]),
    }


def parse_poscar(text: str) -> dict[str, Any]:
    """Take a POSCAR apart, digits as given (coordinates outside [0, 1) too)."""
    lines = text.split("\n")
    symbols, counts = lines[5].split(), [int(count) for count in lines[6].split()]
    if (lines[1], lines[7]) != ("1.0", "direct"):
        raise SystemExit(f"unexpected POSCAR of {lines[0]}: {lines[1]}, {lines[7]}")
    return {
        "lattice": [_numbers(line) for line in lines[2:5]],
        "species": [
            symbol
            for symbol, count in zip(symbols, counts, strict=True)
            for _ in range(count)
        ],
        "frac_coords": [_numbers(line) for line in lines[8 : 8 + sum(counts)]],
    }


def parse_structure(text: str) -> dict[str, Any]:
    """Take a structure in pymatgen's dictionary form apart, rounded to 1e-6."""
    document = ast.literal_eval(text)
    species = [site["species"] for site in document["sites"]]
    if any(len(occupants) != 1 or occupants[0]["occu"] != 1 for occupants in species):
        raise SystemExit(f"a site with several or partial species: {text[:80]}")
    return {
        "lattice": [_rounded(vector) for vector in document["lattice"]["matrix"]],
        "species": [occupants[0]["element"] for occupants in species],
        "frac_coords": [_rounded(site["abc"]) for site in document["sites"]],
    }


def write_rows(rows: Iterator[dict[str, Any]], output: Path) -> None:
    """Write the rows as JSON lines, compressed without a time stamp."""
    lines = [json.dumps(row, separators=(",", ":")) + "\n" for row in rows]
    output.parent.mkdir(parents=True, exist_ok=True)
    with (
        output.open("wb") as file,
        gzip.GzipFile("", "wb", compresslevel=9, fileobj=file, mtime=0) as packed,
    ):
        packed.write("".join(lines).encode("ascii"))
    size = output.stat().st_size
    print(f"{output}: {len(lines)} crystals, {size} bytes")


def _numbers(line: str) -> list[float]:
    return [float(value) for value in line.split()[:3]]


def _rounded(vector: list[float]) -> list[float]:
    return [round(value, 6) for value in vector]


DATA_SETS = {
    "dielectric": (
        "dielectric_constant.csv",
        Table(
            "ecbd410d33c95d5b05822cff6c7c0ba809a024b4ede3855ec5efc48d5e29ea77",
            read_dielectric,
        ),
    ),
    "formation_energy": (
        "flla_2015.csv",
        Table(
            "35b8dbc0b92f4dc7e219fd6606c3a27bee18a9618f376cfee1ff731e306210bb",
            read_formation_energy,
        ),
    ),
}


if __name__ == "__main__":
    main()
