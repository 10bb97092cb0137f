"""Tables and figures of single crystals: what their predictions rest on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pyg_sitenet.analysis.attention import DISTANCE_STEP
from pyg_sitenet.analysis.complexity_encoder import read_crystal
from pyg_sitenet.analysis.crystal.crystal_figure import (
    plot_attributions,
    plot_element_attention,
)
from pyg_sitenet.analysis.crystal.examination import CrystalExamination, examine_crystal
from pyg_sitenet.csv_file import write_table
from pyg_sitenet.data.graph.encoder import Item
from pyg_sitenet.data.records import Failure, remedy_of
from pyg_sitenet.errors import StructureError
from pyg_sitenet.prediction import Predictor

CRYSTAL_FILES = (
    *("sites.csv", "pairs.csv", "attention_by_element.csv"),
    *("attention_by_distance.csv", "attention_by_element.png", "attributions.png"),
)
"""What the folder of an examined crystal holds."""
_HEAD = re.compile(r"attention in block (\d+) head (\d+)")


def element_table(examination: CrystalExamination) -> pd.DataFrame:
    """Return how the atoms of each element attend to those of each.

    Returns:
        ``block``, ``head``, ``receiver element``, ``sender element``, the number of
        ``pairs``, the ``attention`` of a receiver to all senders of the element
        together (the mean over receivers; the senders add up to 1), and their
        attention-weighted ``mean distance [A]``.
    """
    keys = ["receiver element", "sender element"]
    counts = examination.sites["element"].value_counts()
    long = _by_head(examination.pairs, [*keys, "distance [A]"])
    long["reach"] = long["attention"] * long["distance [A]"]
    groups = long.groupby(["block", "head", *keys])
    table = groups[["attention", "reach"]].sum()
    table.insert(0, "pairs", groups.size())
    table = table.reset_index()
    table["mean distance [A]"] = table["reach"] / table["attention"]
    table["attention"] /= table["receiver element"].map(counts)
    return table.drop(columns="reach")


def shell_table(examination: CrystalExamination) -> pd.DataFrame:
    """Return how much attention each distance gets.

    Returns:
        ``block``, ``head``, ``distance from [A]``, ``distance to [A]`` (0 to 0 for an
        atom with itself), the number of ``pairs``, their ``mean attention`` and their
        ``share of attention``.
    """
    long = _by_head(examination.pairs, ["distance [A]"])
    low = np.floor(long["distance [A]"] / DISTANCE_STEP) * DISTANCE_STEP
    long["distance from [A]"] = low
    own = long["distance [A]"] == 0
    long["distance to [A]"] = np.where(own, 0, low + DISTANCE_STEP)
    keys = ["block", "head", "distance from [A]", "distance to [A]"]
    groups = long.groupby(keys)["attention"]
    table = groups.agg(["size", "mean", "sum"]).reset_index()
    names = ["pairs", "mean attention", "share of attention"]
    table.columns = pd.Index([*keys, *names])
    table["share of attention"] /= len(examination.sites)
    return table


def write_examination(examination: CrystalExamination, folder: Path) -> list[str]:
    """Write tables and figures of a crystal and return the names of the files."""
    folder.mkdir(parents=True, exist_ok=True)
    elements = element_table(examination)
    tables = {
        "sites.csv": examination.sites,
        "pairs.csv": examination.pairs,
        "attention_by_element.csv": elements,
        "attention_by_distance.csv": shell_table(examination),
    }
    for name, table in tables.items():
        write_table(folder / name, table)
    plot_element_attention(folder / "attention_by_element.png", elements)
    plot_attributions(folder / "attributions.png", examination)
    return list(CRYSTAL_FILES)


def examine_crystals(
    predictor: Predictor,
    entries: Iterable[Item],
    ids: Sequence[str],
    folder: Path,
) -> tuple[list[str], list[Failure]]:
    """Examine the crystals with the given ids, each in a folder of its own.

    Args:
        predictor: The trained model.
        entries: Where to find the crystals.
        ids: The ids of those that are wanted.
        folder: Holds the folders of the crystals, named after their ids.

    Returns:
        Files written, relative to ``folder``, and the crystals that could not be
        examined; an id that the entries do not hold is one of them.
    """
    wanted = set(ids)
    files: list[str] = []
    failures: list[Failure] = []
    for entry in entries:
        if not wanted or entry.id not in wanted:
            continue
        wanted.remove(entry.id)
        try:
            record = read_crystal(entry)
            if isinstance(record, Failure):
                raise StructureError(record.reason)
            examination = examine_crystal(predictor, record.structure)
        except StructureError as error:
            remedy = remedy_of(str(error), "repair or remove this structure")
            failures.append(
                Failure(entry.origin, entry.id, "examine", str(error), remedy)
            )
            continue
        place = _slug(entry.id, files)
        files += [
            f"{place}/{name}" for name in write_examination(examination, folder / place)
        ]
    for missing in sorted(wanted):
        reason, remedy = "no crystal with this id", "see the column id of crystals.csv"
        failures.append(Failure(missing, missing, "examine", reason, remedy))
    return files, failures


def _by_head(pairs: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Return one row per pair, block and head, with its ``attention``."""
    parts = []
    for column in pairs.columns:
        match = _HEAD.fullmatch(column)
        if match:
            block, head = map(int, match.groups())
            part = pairs[keys].assign(block=block, head=head)
            parts.append(part.assign(attention=pairs[column]))
    return pd.concat(parts, ignore_index=True)


def _slug(name: str, files: list[str]) -> str:
    """Return a folder name for an id that no other crystal has."""
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(name).name).strip("-.") or "crystal"
    stems = {file.partition("/")[0] for file in files}
    number, unique = 2, slug
    while unique in stems:
        unique, number = f"{slug}-{number}", number + 1
    return unique
