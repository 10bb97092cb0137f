"""The primitive, Niggli-reduced P1 cell: one cell for every setting of a crystal."""

from __future__ import annotations

from functools import cache

import numpy as np
from pymatgen.core import Composition, Lattice, Structure

from pyg_sitenet.data.geometry.lattice import (
    Floats,
    Ints,
    minkowski_reduction,
    niggli_reductions,
    tolerant_minima,
)
from pyg_sitenet.data.geometry.translations import merge_copies

# Structure factors of one crystal in two settings agree to far less than this share
# of the number of its atoms; those of inequivalent axes differ by more.
_FACTOR_TOLERANCE = 1e-4
_NOISE = 1e-9


def to_primitive(structure: Structure, tolerance: float = 0.003) -> Structure:
    """Return the primitive, Niggli-reduced cell of a structure.

    Args:
        structure: Periodic; sites may carry oxidation states, which count as part of
            the species, and several species: all with their shares must agree.
        tolerance: How far an atom may be from the translated copy of another to count
            as its image, angstrom. Images are averaged, so a wide one hides real
            distortions; files of four decimals need about 0.003.

    Returns:
        Structure with right-handed Niggli cell, sites in the order of their first
        appearance, orientation kept, fractional coordinates in [0, 1). Each keeps the
        label and the properties of the first of its copies.
    """
    kinds, species = site_kinds(structure)
    cell, frac, representatives = primitive_cell(
        np.array(structure.lattice.matrix),
        np.array(structure.frac_coords),
        kinds,
        tolerance,
    )
    return Structure(
        Lattice(cell),
        [species[k] for k in kinds[representatives]],
        frac,
        labels=[structure[k].label for k in representatives],
        site_properties=_site_properties(structure, representatives),
    )


def _site_properties(
    structure: Structure, representatives: Ints
) -> dict[str, list[object]]:
    """Return the properties of the representatives, None where a site has none."""
    sites = [structure[int(k)] for k in representatives]
    names = {name: None for site in sites for name in site.properties}
    return {name: [site.properties.get(name) for site in sites] for name in names}


def site_kinds(structure: Structure) -> tuple[Ints, list[Composition]]:
    """Number the sites by their species: the same number for the same species.

    Returns:
        The kind of each site, [num_sites], and what each kind holds. They are in the
        order of atomic numbers, then of oxidation states, then of shares.
    """
    held = [site.species for site in structure]
    keys = [_key(species) for species in held]
    ranked = {key: rank for rank, key in enumerate(sorted(set(keys)))}
    by_key = dict(zip(keys, held, strict=True))
    kinds = np.array([ranked[key] for key in keys], dtype=np.int64)
    return kinds, [by_key[key] for key in ranked]


def _key(species: Composition) -> tuple[tuple[float, ...], ...]:
    """Return numbers that differ between species, but not by rounding of shares."""
    shares = [
        (specie.Z, float(getattr(specie, "oxi_state", 0) or 0), round(share, 4))
        for specie, share in species.items()
    ]
    return tuple(sorted(shares))


def primitive_cell(
    cell: Floats, frac: Floats, kinds: Ints, tolerance: float
) -> tuple[Floats, Floats, Ints]:
    """Return lattice, fractional coordinates and representatives of a primitive cell.

    Args:
        cell: Lattice, shape [3, 3], rows are the lattice vectors, angstrom.
        frac: Fractional coordinates, shape [num_atoms, 3], any range.
        kinds: What must agree for two atoms to be images, shape [num_atoms].
        tolerance: Angstrom.

    Returns:
        Niggli cell [3, 3], fractional coordinates [num_sites, 3] in [0, 1), and the
        index of the atom that each site is the first copy of, [num_sites].
    """
    input_cell, start = cell, minkowski_reduction(cell)
    cell, frac = start @ cell, frac @ _integer_inverse(start)
    merged = merge_copies(cell, frac, kinds, tolerance)
    cell, frac, representatives = merged.basis @ cell, merged.frac, merged.copies[:, 0]
    form = _choose_form(cell, frac, kinds[representatives], input_cell)
    return (
        np.asarray(form @ cell),
        _wrap(frac @ _integer_inverse(form)),
        representatives,
    )


def _choose_form(cell: Floats, frac: Floats, kinds: Ints, input_cell: Floats) -> Ints:
    """Choose between the Niggli cells of a symmetric lattice by the atoms in them.

    A lattice may be more symmetric than its crystal; the axes are then told apart by
    their structure factors, which no choice of origin or setting changes. Remaining
    ties go to the form closest to the input cell.
    """
    forms = niggli_reductions(cell)
    rows = forms @ cell
    metrics = (rows @ rows.transpose(0, 2, 1)).reshape(-1, 9)
    metrics /= metrics.max()
    factors = -_squared_factors(forms, frac, kinds)
    # Clear differences first: they must not lose to the noise of symmetric lattices.
    keys = ((factors, _FACTOR_TOLERANCE), (metrics, _NOISE), (factors, _NOISE))
    best = np.arange(len(forms))
    for key, tolerance in keys:
        best = best[tolerant_minima(key[best], tolerance)]
    likeness = (rows[best] * input_cell).sum(axis=(1, 2))
    return np.asarray(forms[best[likeness.argmax()]])


def _squared_factors(forms: Ints, frac: Floats, kinds: Ints) -> Floats:
    """Return squared structure factors of low order in each setting, [num_forms, 62].

    Species weigh differently; a factor of all atoms in phase is 1.
    """
    # Indices h of a form are M^-1 h in the setting of frac.
    inverses = np.stack([_integer_inverse(form) for form in forms])
    indices = np.rint(inverses @ _low_orders().T).astype(np.int64)  # [forms, 3, 62]
    bound = int(np.abs(indices).max())
    powers = np.exp(2j * np.pi * frac[:, :, None] * np.arange(-bound, bound + 1))
    weights = np.sqrt(kinds + 1.0)
    weights /= weights.sum()
    plane = np.einsum("n,na,nb->nab", weights, powers[:, 0], powers[:, 1])
    grid = np.einsum("nab,nc->abc", plane, powers[:, 2])
    h, k, l = indices.transpose(1, 0, 2) + bound  # noqa: E741
    return np.asarray(np.abs(grid[h, k, l]) ** 2)


@cache
def _low_orders() -> Ints:
    """Return the indices up to 2, one of each opposite two, low ones first, [62, 3]."""
    grid = (np.array(list(np.ndindex(5, 5, 5))) - 2)[63:]
    return grid[np.argsort((grid**2).sum(axis=1), kind="stable")]


def _integer_inverse(matrix: Ints) -> Floats:
    return np.asarray(np.rint(np.linalg.inv(matrix)))


def _wrap(frac: Floats) -> Floats:
    wrapped = frac - np.floor(frac)
    return np.where(wrapped >= 1, 0.0, wrapped)
