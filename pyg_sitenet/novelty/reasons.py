"""In which way a crystal is unlike others, in words."""

from __future__ import annotations

from ase.data import chemical_symbols

from pyg_sitenet.novelty.features import GEOMETRY, Features, kinds_of, pairs_of
from pyg_sitenet.novelty.record import Novelty

_GEOMETRY_WORDS = {
    "bonds": (
        "its bonds are longer than those of its elements in training",
        "its bonds are shorter than those of its elements in training",
    ),
    "packing": (
        "its atoms are packed more densely than those of its elements in training",
        "its atoms are packed less densely than those of its elements in training",
    ),
    "volume": (
        "its atoms are packed more densely than in training crystals",
        "its atoms are packed less densely than in training crystals",
    ),
    "shortest": (
        "its nearest atoms are closer, for their radii, than in training",
        "its nearest atoms are further apart, for their radii, than in training",
    ),
    "coordination": (
        "its atoms have fewer neighbours than in training crystals",
        "its atoms have more neighbours than in training crystals",
    ),
}


def reason(name: str, features: Features, record: Novelty) -> str:
    """Say in which way a crystal is unlike others.

    Args:
        name: Of the way, as in the limits of the record.
        features: Of the crystal.
        record: What is kept of the training crystals.
    """
    expected = record.expected.get(name)
    if expected is not None:
        excess = expected.excess(features, features.numbers[name])
        words = _GEOMETRY_WORDS[name][excess > 0]
        is_known = all(z in record.elements for z in features.elements)
        return words if is_known else words.replace("its elements", "others")
    if name in GEOMETRY:
        value = features.geometry[GEOMETRY.index(name)]
        return _GEOMETRY_WORDS[name][value > record.geometry[name][0]]
    if name == "vector":
        return "to the network it is unlike all training crystals"
    if name == "values":
        return "training crystals like it, to the network, have very unlike values"
    if name == "spread":
        return "the networks of the ensemble disagree on it"
    return _chemistry(name, features.elements, record)


def _chemistry(name: str, elements: tuple[int, ...], record: Novelty) -> str:
    if name == "element":
        rarest = min(elements, key=lambda z: record.elements.get(z, 0))
        symbol, count = chemical_symbols[rarest], record.elements.get(rarest, 0)
        return f"{symbol} occurs in {_few(count, record.num_crystals)}"
    if name == "pairs":
        new = [pair for pair in pairs_of(elements) if pair not in record.pairs]
        symbols = [chemical_symbols[z] for z in divmod(new[0], 1000)]
        return f"no training crystal has {' and '.join(symbols)} together"
    if name == "kinds":
        kinds = kinds_of(elements)
        few = _few(record.kinds.get(kinds, 0), record.num_crystals)
        return f"{few} of {kinds} alone"
    number = len(elements)
    few = _few(record.numbers.get(number, 0), record.num_crystals)
    return f"{few} of {'a single element' if number == 1 else f'{number} elements'}"


def _few(count: int, total: int) -> str:
    if not count:
        return "no training crystal"
    return f"only {count} of {total} training crystals"
