"""The data sets that ship with the package."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class BundledData:
    """A data set that ships with the package.

    Args:
        name: What it is called as a source.
        description: What it holds, in one line.
        file: Its file below ``pyg_sitenet/data``; licence and citation are beside it.
        num_crystals: How many crystals it holds.
        units: Unit of each target; empty for a number without dimension.
        citation: The work to cite.
        labels: Its columns of text or booleans, which may be classes.
    """

    name: str
    description: str
    file: str
    num_crystals: int
    units: Mapping[str, str] = field(hash=False)
    citation: str
    labels: tuple[str, ...] = ()

    def path(self) -> Path:
        """Return where the file is in the installed package."""
        return Path(__file__).parents[2] / self.file

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield id, targets and structure (as a dictionary) of every crystal."""
        for line in gzip.decompress(self.path().read_bytes()).splitlines():
            yield json.loads(line)

    def digest(self) -> str:
        """Return a hash of the file."""
        return hashlib.sha256(self.path().read_bytes()).hexdigest()


BUNDLED = {
    data.name: data
    for data in (
        BundledData(
            name="band_gaps",
            description="4,000 small crystals, 500 metals among them: band gap",
            file="band_gaps/band_gaps.jsonl.gz",
            num_crystals=4000,
            units={"band_gap": "eV"},
            citation=(
                "A. Jain et al., Commentary: The Materials Project: A materials genome "
                "approach to accelerating materials innovation, APL Mater. 1, 011002 "
                "(2013), doi:10.1063/1.4812323; A. Dunn et al., Benchmarking materials "
                "property prediction methods: the Matbench test set and Automatminer "
                "reference algorithm, npj Comput. Mater. 6, 138 (2020), "
                "doi:10.1038/s41524-020-00406-3"
            ),
            labels=("is_metal",),
        ),
        BundledData(
            name="dielectric",
            description="1,056 inorganic dielectrics: band gap and refractive index",
            file="dielectric/dielectric.jsonl.gz",
            num_crystals=1056,
            units={"band_gap": "eV", "refractive_index": ""},
            citation=(
                "I. Petousis et al., High-throughput screening of inorganic compounds "
                "for the discovery of novel dielectric and optical materials, "
                "Sci. Data 4, 160134 (2017), doi:10.1038/sdata.2016.134"
            ),
        ),
        BundledData(
            name="formation_energy",
            description="3,938 inorganic compounds: formation energy per atom",
            file="formation_energy/formation_energy.jsonl.gz",
            num_crystals=3938,
            units={"formation_energy": "eV/atom"},
            citation=(
                "F. Faber et al., Crystal structure representations for machine "
                "learning models of formation energies, Int. J. Quantum Chem. 115, "
                "1094-1101 (2015), doi:10.1002/qua.24917"
            ),
        ),
    )
}
