"""Make the bundled dielectric data set from matminer's source package.

The package is fetched with the ordinary client, and this script reads the one table
it needs straight from the archive::

    pip download matminer==0.3.7 --no-deps --no-binary :all:
    python scripts/make_bundled_data.py matminer-0.3.7.tar.gz

The same archive always gives the same bytes.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TABLE = "matminer-0.3.7/matminer/datasets/dielectric_constant.csv"
TABLE_SHA256 = "ecbd410d33c95d5b05822cff6c7c0ba809a024b4ede3855ec5efc48d5e29ea77"
OUTPUT = Path(__file__).parents[1] / "pyg_sitenet/data/dielectric/dielectric.jsonl.gz"


def main() -> None:
    """Read the archive named on the command line and write the data file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archive", type=Path, help="matminer-0.3.7.tar.gz")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    write_rows(read_rows(arguments.archive), arguments.output)


def read_rows(archive: Path) -> Iterator[dict[str, Any]]:
    """Yield one row per compound: id, band gap (eV), refractive index, structure."""
    with tarfile.open(archive) as package:
        member = package.extractfile(TABLE)
        if member is None:
            raise SystemExit(f"{archive}: {TABLE} is not a file")
        content = member.read()
    if hashlib.sha256(content).hexdigest() != TABLE_SHA256:
        raise SystemExit(f"{archive}: {TABLE} is not the table of matminer 0.3.7")
    csv.field_size_limit(len(content))
    lines = csv.reader(io.StringIO(content.decode("utf-8"), newline=""))
    next(lines)  # the line with the reference, a comment
    # The rows start with pandas' unnamed index, which the header leaves out.
    header = ["", *next(lines)]
    for values in lines:
        row = dict(zip(header, values, strict=True))
        yield {
            "id": row["material_id"],
            "band_gap": float(row["band_gap"]),
            "refractive_index": float(row["n"]),
            "structure": parse_poscar(row["poscar"]),
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


if __name__ == "__main__":
    main()
