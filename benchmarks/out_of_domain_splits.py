"""Which crystals `out_of_domain.py` leaves out of the training, and how it is split."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import spglib
from ase.data import atomic_numbers
from pymatgen.core import Composition, Element

Crystal = dict[str, Any]

MOST_WITH_ELEMENT = 0.15
MOST_WITH_GROUP = 0.30
LEAST_OF_FAMILIES = 0.05
MOST_OF_LARGEST = 0.10
SHARES = {"train": 0.70, "calibration": 0.15, "test": 0.15}


class Split(NamedTuple):
    """What is left out of the training.

    Attributes:
        name: Of the kind of split.
        left_out: In words.
        ids: Of the crystals that are left out.
    """

    name: str
    left_out: str
    ids: list[str]


def read_crystals(file: Path, most: int | None) -> list[Crystal]:
    """Return crystals of a task, drawn at random if there are more, in their order."""
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        crystals = [json.loads(line) for line in lines]
    order = np.random.default_rng(0).permutation(len(crystals))[:most]
    return [crystals[k] for k in np.sort(order)]


def splits_of(crystals: list[Crystal]) -> list[Split]:
    """Return all splits; what is left out is chosen by how many crystals there are.

    Where all have the same size there are no largest ones.
    """
    largest = _largest(crystals)
    return [
        Split("random", "none", []),
        _most_frequent("element", crystals, _elements, MOST_WITH_ELEMENT),
        _most_frequent("group", crystals, _groups, MOST_WITH_GROUP),
        _families(crystals),
        *([largest] if largest.ids else []),
    ]


def parts_of(crystals: list[Crystal], split: Split, seed: int) -> dict[str, list[str]]:
    """Share out what is not left out at random; the parts are those of a training."""
    left_out = set(split.ids)
    others = [c["id"] for c in crystals if c["id"] not in left_out]
    order = np.random.default_rng(seed).permutation(len(others))
    ends = np.cumsum([round(share * len(others)) for share in SHARES.values()])
    pieces = np.split(order, ends[:-1])
    return {"val": [], "left out": split.ids} | {
        part: [others[k] for k in piece]
        for part, piece in zip(SHARES, pieces, strict=True)
    }


def _most_frequent(
    name: str,
    crystals: list[Crystal],
    traits: Callable[[Crystal], Iterable[Hashable]],
    most: float,
) -> Split:
    """Leave out the trait that most crystals have, of those that not too many have."""
    traits_of = {crystal["id"]: set(traits(crystal)) for crystal in crystals}
    counts = Counter(trait for own in traits_of.values() for trait in own)
    ranked = sorted(counts, key=lambda trait: (-counts[trait], str(trait)))
    chosen = next(t for t in ranked if counts[t] <= most * len(crystals))
    ids = [id_ for id_, own in traits_of.items() if chosen in own]
    return Split(name, str(chosen), ids)


def _families(crystals: list[Crystal]) -> Split:
    family_of = {crystal["id"]: _family(crystal) for crystal in crystals}
    names, number = [], 0
    for name, count in Counter(family_of.values()).most_common():
        names.append(name)
        number += count
        if number >= LEAST_OF_FAMILIES * len(crystals):
            break
    ids = [id_ for id_, family in family_of.items() if family in names]
    return Split("families", ", ".join(names), ids)


def _largest(crystals: list[Crystal]) -> Split:
    sizes = np.array([len(crystal["structure"]["species"]) for crystal in crystals])
    limit = next(
        size for size in np.unique(sizes) if (sizes > size).mean() <= MOST_OF_LARGEST
    )
    ids = [c["id"] for c, size in zip(crystals, sizes, strict=True) if size > limit]
    return Split("largest", f"over {limit} atoms", ids)


def _elements(crystal: Crystal) -> Iterable[str]:
    return crystal["structure"]["species"]


def _groups(crystal: Crystal) -> Iterable[str]:
    return {f"group {Element(symbol).group}" for symbol in _elements(crystal)}


def _family(crystal: Crystal) -> str:
    """Return formula without names and space group, such as ``ABC3 Pm-3m``."""
    structure = crystal["structure"]
    numbers = [atomic_numbers[symbol] for symbol in structure["species"]]
    cell = structure["lattice"], structure["frac_coords"], numbers
    group = (spglib.get_spacegroup(cell, symprec=0.01) or "unknown").partition(" ")[0]
    formula = Composition(Counter(structure["species"])).anonymized_formula
    return f"{formula} {group}"
