"""Make ``pyg_sitenet/data/elements.csv`` from the Magpie tables of matminer 0.3.7.

    pip download matminer==0.3.7 --no-deps --no-binary :all:   # then unpack it
    python scripts/make_elements.py matminer-0.3.7

Magpie holds 112 elements with gaps and no atomic radius; the radius is Slater's, as
pymatgen lists it. A missing cell takes, in this order: the calculated atomic radius
(radius only), the value of the nearest atomic number in the same column of the
periodic table (the lighter one of two), and is then marked with an asterisk. For
Z = 113 to 118 number, weight, row and column are pymatgen's.
"""

import argparse
import csv
from pathlib import Path

from pymatgen.core import Element

TABLES = (
    "Number",
    "AtomicWeight",
    "Row",
    "Column",
    "FirstIonizationEnergy",
    "Electronegativity",
    "AtomicRadius",
    "Density",
)
_GAPS = ("Missing", "None")
HEADER = """\
# Element properties from the Magpie tables, https://doi.org/10.1038/npjcompumats.2016.28
# (matminer 0.3.7, matminer/utils/data_files/magpie_elementdata, BSD licence); atomic
# radius: Slater, https://doi.org/10.1063/1.1725697, as pymatgen lists it (MIT licence).
# An asterisk marks an imputed value: the calculated radius of pymatgen, else the value
# of the nearest atomic number in the same column. Made by scripts/make_elements.py.
# Units: 1, g/mol, 1, 1, eV, Pauling, angstrom, kg/m3
"""


def main() -> None:
    """Read the unpacked source package named on the command line, write the CSV."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="the unpacked matminer-0.3.7")
    folder = parser.parse_args().source / "matminer/utils/data_files/magpie_elementdata"
    target = Path(__file__).parents[1] / "pyg_sitenet/data/elements.csv"
    columns = [_impute(_column(folder, table)) for table in TABLES]
    with target.open("w", encoding="utf-8", newline="") as file:
        file.write(HEADER)
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("Symbol", *TABLES))
        for z, values in enumerate(zip(*columns, strict=True), start=1):
            rows.writerow((Element.from_Z(z).symbol, *values))


def _column(folder: Path, table: str) -> dict[int, tuple[float | None, bool]]:
    """Return value and whether it was imputed, by atomic number."""
    if table == "AtomicRadius":
        return {z: _radius(Element.from_Z(z)) for z in range(1, 119)}
    words = (folder / f"{table}.table").read_text().split()
    values = [None if word in _GAPS else float(word) for word in words]
    cells = {z: (value, False) for z, value in enumerate(values, start=1)}
    for element in (Element.from_Z(z) for z in range(len(values) + 1, 119)):
        properties = {
            "Number": element.Z,
            "AtomicWeight": float(element.atomic_mass),
            "Row": element.row,
            "Column": element.group,
        }
        cells[element.Z] = (properties.get(table), False)
    return cells


def _radius(element: Element) -> tuple[float | None, bool]:
    slater = element.data.get("Atomic radius")
    if slater not in (None, "no data"):
        return float(slater), False
    calculated = element.data.get("Atomic radius calculated")
    return (None if calculated in (None, "no data") else float(calculated)), True


def _impute(cells: dict[int, tuple[float | None, bool]]) -> list[str]:
    values = {z: value for z, (value, _) in cells.items() if value is not None}
    texts = []
    for z, (value, imputed) in cells.items():
        if value is None:
            column = [y for y in values if _group(y) == _group(z)]
            nearest = min(column, key=lambda y: (abs(y - z), y))
            value, imputed = values[nearest], True
        texts.append(f"{value:.10g}" + "*" * imputed)
    return texts


def _group(z: int) -> int:
    element = Element.from_Z(z)
    return 3 if element.is_lanthanoid or element.is_actinoid else element.group


if __name__ == "__main__":
    main()
