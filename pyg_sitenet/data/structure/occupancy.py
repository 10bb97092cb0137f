"""How full the sites of a crystal are: rounding mended, isotopes counted together."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import TypeAlias, TypeVar

from pymatgen.core import Composition, DummySpecies, Element, Species, Structure

from pyg_sitenet.errors import SiteNetWarning

Specie: TypeAlias = Element | Species | DummySpecies
S = TypeVar("S")

# Half of the last of two digits, for each species of a site: 0.33 three times is full.
ROUNDING = 0.005
# The most that the occupancies of a full site of three species may add up to.
MAX_OCCUPANCY = 1 + 3 * ROUNDING
_NOISE = 1e-6

_ISOTOPES = {"D": "deuterium", "T": "tritium"}


def complete_occupancies(structure: Structure, origin: str) -> Structure:
    """Return a structure whose occupancies are meant as they are written.

    Deuterium and tritium become hydrogen, with a :class:`SiteNetWarning`; the label of
    the site keeps their symbol. Occupancies that add up to 1 within the rounding of two
    digits are scaled to add up to 1 (:func:`scale_occupancies`).

    Args:
        structure: What was read; it is not changed.
        origin: File or formula that messages begin with.
    """
    mended = [_mend(site.species) for site in structure]
    pairs = zip(mended, structure, strict=True)
    if all(species is site.species for species, site in pairs):
        return structure
    _warn_of_isotopes(structure, origin)
    return Structure(
        structure.lattice,
        mended,
        structure.frac_coords,
        site_properties=structure.site_properties,
        labels=_labels(structure),
        properties=structure.properties,
    )


def scale_occupancies(shares: Mapping[S, float]) -> dict[S, float]:
    """Scale the shares of a site to add up to 1 if they do but for their rounding.

    Example:
        >>> scale_occupancies({"La": 0.333, "Sr": 0.666})["La"]
        0.33333333333333337
    """
    total = sum(shares.values())
    if total and abs(total - 1) <= ROUNDING * len(shares) + _NOISE:
        return {specie: share / total for specie, share in shares.items()}
    return dict(shares)


def occupancy(composition: Composition) -> float:
    """Return the share of a site that is not vacant."""
    return float(sum(composition.values()))


def _mend(composition: Composition) -> Composition:
    """Return the species of a site, the same object if there is nothing to mend."""
    if occupancy(composition) == 1 and not any(map(_isotope, composition)):
        return composition
    shares: dict[Specie, float] = {}
    for specie, share in composition.items():
        plain = _hydrogen(specie) if _isotope(specie) else specie
        shares[plain] = shares.get(plain, 0.0) + float(share)
    scaled = scale_occupancies(shares)
    return composition if scaled == dict(composition) else Composition(scaled)


def _isotope(specie: Specie) -> str:
    """Return the symbol of an isotope that has one, else nothing."""
    if isinstance(specie, DummySpecies) or specie.Z != 1:
        return ""
    name = str(specie.name)  # the symbol of pymatgen's isotopes is H
    return name if name in _ISOTOPES else ""


def _hydrogen(specie: Specie) -> Specie:
    state = getattr(specie, "oxi_state", None)
    return Element("H") if isinstance(specie, Element) else Species("H", state)


def _labels(structure: Structure) -> list[str]:
    """Return the label of each site; one without has the symbol of its isotope."""
    return [
        "/".join(filter(None, map(_isotope, site.species)))
        if site.label == site.species_string and any(map(_isotope, site.species))
        else site.label
        for site in structure
    ]


def _warn_of_isotopes(structure: Structure, origin: str) -> None:
    species = {specie for site in structure for specie in site.species}
    warn_of_isotopes(map(_isotope, species), origin, stacklevel=5)


def warn_of_isotopes(
    symbols: Iterable[str], origin: str, *, stacklevel: int = 2
) -> None:
    """Say which isotopes count as hydrogen; other symbols are passed over."""
    names = [_ISOTOPES[symbol] for symbol in sorted(set(symbols) & _ISOTOPES.keys())]
    if names:
        verb = "count" if len(names) > 1 else "counts"
        message = f"{origin}: {' and '.join(names)} {verb} as hydrogen"
        warnings.warn(message, SiteNetWarning, stacklevel=stacklevel)
