"""Structures as the OPTIMADE interface exports them, as JSON."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pymatgen.core import DummySpecies, Element, Lattice, Structure

from pyg_sitenet.brief import brief_line
from pyg_sitenet.errors import SiteNetWarning, StructureError

# Letters of a chemical_symbol that is no element: an empty place, and a made-up one.
_VACANCY, _DUMMY = "vacancy", "X"

# The sum of concentrations on a site may miss 1 by so much through rounding.
_ROUNDING = 1e-3

# What is said of sites that are not all there.
_INCOMPLETE = ("implicit_atoms", "site_attachments")


def is_optimade(values: Mapping[str, Any]) -> bool:
    """Tell whether a dictionary is a structure as OPTIMADE describes it."""
    return "lattice_vectors" in values or "cartesian_site_positions" in values


def optimade_entries(values: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the attributes of each structure of a response or an entry, if any."""
    data = values.get("data", values)
    entries = data if isinstance(data, list) else [data]
    attributes = [
        entry.get("attributes") for entry in entries if isinstance(entry, Mapping)
    ]
    return [held for held in attributes if isinstance(held, Mapping)]


def structure_from_optimade(values: Mapping[str, Any], origin: str) -> Structure:
    """Build a structure from the attributes of an OPTIMADE entry.

    Args:
        values: ``lattice_vectors`` (rows, angstrom), ``cartesian_site_positions``
            (angstrom), ``species_at_sites``, and ``species`` with the elements and
            their ``concentration``; without ``species``, the names are elements.
        origin: Where it comes from, for messages.

    Returns:
        The structure; sites with several elements or vacancies are partly occupied.

    Raises:
        StructureError: If it is not periodic in three directions, has groups of sites
            that exclude each other (``assemblies``), or lacks what is needed.
    """
    _check_periodic(values, origin)
    _check_features(values, origin)
    try:
        species = _species(values.get("species"), origin)
        names = values["species_at_sites"]
        positions = np.asarray(values["cartesian_site_positions"], dtype=float)
        if positions.shape != (len(names), 3):
            raise ValueError(f"{len(names)} sites but positions {positions.shape}")
        _check_stated(values, species, origin)
        sites = [_site(name, species) for name in names]
        is_full = [bool(site) for site in sites]  # the others are vacancies
        return Structure(
            Lattice(values["lattice_vectors"]),
            [site for site in sites if site],
            positions[is_full],
            coords_are_cartesian=True,
        )
    except StructureError:
        raise
    except KeyError as error:
        raise _incomplete(origin, f"no {error.args[0]}") from error
    except (TypeError, ValueError, AttributeError, np.linalg.LinAlgError) as error:
        raise _incomplete(origin, brief_line(error)) from error


def _incomplete(origin: str, reason: str) -> StructureError:
    return StructureError(
        f"{origin}: not a complete OPTIMADE structure ({reason}); export it again with"
        " lattice_vectors, cartesian_site_positions, species_at_sites and species"
    )


def _check_periodic(values: Mapping[str, Any], origin: str) -> None:
    directions = values.get("dimension_types")
    count = values.get("nperiodic_dimensions")
    is_periodic = directions in (None, [1, 1, 1]) and count in (None, 3)
    vectors = values.get("lattice_vectors")
    if isinstance(vectors, list) and any(
        isinstance(row, list) and None in row for row in vectors
    ):
        is_periodic = False
    if not is_periodic:
        raise StructureError(
            f"{origin}: a molecule or slab without periodicity (dimension_types is"
            f" {directions}); give a crystal, periodic in three directions"
        )


def _check_features(values: Mapping[str, Any], origin: str) -> None:
    if values.get("assemblies"):
        raise StructureError(
            f"{origin}: disordered, its assemblies are groups of sites that exclude"
            " each other; give an ordered approximant"
        )
    features = values.get("structure_features") or ()
    if "unknown_positions" in features:
        raise StructureError(
            f"{origin}: has unknown_positions, sites without coordinates; give a"
            " crystal of which all are known"
        )
    if "implicit_atoms" in features:
        message = f"{origin}: has implicit_atoms, which have no position: left out"
        warnings.warn(message, SiteNetWarning, stacklevel=4)


def _check_stated(
    values: Mapping[str, Any], species: Mapping[str, dict[Any, float]], origin: str
) -> None:
    """Compare the number of sites, their names and the elements with the sites."""
    names = values["species_at_sites"]
    stated = values.get("nsites")
    if stated is not None and stated != len(names):
        raise StructureError(
            f"{origin}: states nsites {stated} but lists {len(names)}; correct one"
        )
    unknown = sorted(set(names) - species.keys()) if species else []
    if unknown:
        raise StructureError(
            f"{origin}: the species {unknown[0]!r} of a site is not described; add it"
            " to species"
        )
    elements = {str(e) for name in names for e in _site(name, species)}
    listed = set(values.get("elements") or elements)
    features = values.get("structure_features") or ()
    if elements - listed or (listed - elements and not set(_INCOMPLETE) & {*features}):
        raise StructureError(
            f"{origin}: states the elements {' '.join(sorted(listed))} but its sites"
            f" have {' '.join(sorted(elements))}; correct one"
        )


def _species(
    listed: Sequence[Mapping[str, Any]] | None, origin: str
) -> dict[str, dict[Any, float]]:
    species = {}
    for entry in listed or ():
        symbols, shares = entry["chemical_symbols"], entry["concentration"]
        if len(symbols) != len(shares):
            raise ValueError(f"{len(shares)} concentrations for {len(symbols)} symbols")
        if entry.get("attached"):
            message = f"{origin}: atoms attached to {entry['name']} have no position"
            warnings.warn(f"{message}: left out", SiteNetWarning, stacklevel=5)
        species[entry["name"]] = _composition(symbols, shares)
    return species


def _site(name: str, species: Mapping[str, dict[Any, float]]) -> dict[Any, float]:
    """Return the elements of a site; nothing if it is vacant."""
    if name in species:
        return species[name]
    return _composition([name], [1.0])


def _composition(symbols: Sequence[str], shares: Sequence[float]) -> dict[Any, float]:
    """Return the elements of a site with their shares; what is missing is vacant."""
    total = float(sum(shares))
    if not total <= 1 + _ROUNDING or min(shares, default=0) < 0:
        raise ValueError(f"concentrations {list(shares)} add up to {total:g}, not 1")
    scale = 1 / total if abs(total - 1) <= _ROUNDING else 1.0
    composition: dict[Any, float] = {}
    for symbol, share in zip(symbols, shares, strict=True):
        if symbol == _VACANCY or share == 0:
            continue
        specie = DummySpecies("X") if symbol == _DUMMY else Element(symbol)
        composition[specie] = composition.get(specie, 0.0) + float(share) * scale
    return composition
