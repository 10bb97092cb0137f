"""Ordered crystals that stand for a disordered one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from pymatgen.core import Composition, Lattice, Structure

from pyg_sitenet.data.disorder.orderings import (
    Ordering,
    enumerate_orderings,
    sample_orderings,
)
from pyg_sitenet.data.geometry.primitive import to_primitive
from pyg_sitenet.data.structure.occupancy import Specie
from pyg_sitenet.errors import ConfigError, StructureError

Method = Literal["sample", "enumerate"]

_NOISE = 1e-6


@dataclass(frozen=True, slots=True)
class Approximants:
    """Ordered crystals that stand for a disordered one.

    Attributes:
        structures: The orderings, each in the same or an equally large supercell.
        weights: How often each occurs: in the sample, or among all orderings. They add
            up to 1.
        misfit: What each element has too much in them, per disordered site.
        notes: What a user should know of them.
    """

    structures: tuple[Structure, ...]
    weights: tuple[float, ...]
    misfit: dict[str, float]
    notes: tuple[str, ...] = ()

    @property
    def largest_misfit(self) -> float:
        """The misfit of the worst element: 0.01 is one in a hundred sites."""
        return max(map(abs, self.misfit.values()), default=0.0)


def order_structure(
    structure: Structure,
    method: Method = "sample",
    *,
    orderings: int = 8,
    seed: int = 0,
    max_atoms: int = 100,
    primitive_tolerance: float = 0.003,
) -> Approximants:
    """Make ordered approximants of a disordered crystal.

    ``"sample"`` places the atoms at random in the smallest roughly cubic supercell
    that keeps the composition to 0.02 atoms per disordered site and has room for so
    many different orderings; one that is drawn again, up to symmetry, counts twice.
    ``"enumerate"`` finds every ordering that differs by more than symmetry in all
    supercells, of any shape, of the smallest size that keeps the composition; the most
    frequent come first. Where ``max_atoms`` leaves no such cell, the one that keeps
    the composition best is taken.

    Partly vacant sites that are too close to be both occupied
    (:func:`~pyg_sitenet.data.disorder.sublattices.find_exclusions`) are alternatives.

    Args:
        structure: Checked with ``disordered=True``; an ordered one is returned alone.
        method: ``"sample"`` or ``"enumerate"``.
        orderings: How many at most.
        seed: Decides, together with the composition, what is drawn.
        max_atoms: Most sites of a supercell; a larger primitive cell is kept.
        primitive_tolerance: Angstrom, see :func:`to_primitive`.

    Raises:
        ConfigError: If there is no such method, or no ordering is asked for.
        StructureError: If atoms would be on top of each other in every ordering, if a
            supercell has no atoms, or if there are too many orderings to enumerate.
    """
    if method not in get_args(Method) or orderings < 1:
        raise ConfigError(
            f"expected the method {' or '.join(map(repr, get_args(Method)))} and at "
            f"least one ordering, got {method!r} and {orderings}"
        )
    if structure.is_ordered:
        return Approximants((structure,), (1.0,), {})
    primitive = to_primitive(structure, primitive_tolerance)
    if method == "enumerate":
        candidates = enumerate_orderings(primitive, max_atoms=max_atoms, seed=seed)
    else:
        candidates = sample_orderings(
            primitive, orderings, max_atoms=max_atoms, seed=seed
        )
    chosen = candidates[:orderings]
    total = sum(ordering.weight for ordering in chosen)
    structures = tuple(_build(primitive, ordering) for ordering in chosen)
    return Approximants(
        structures=structures,
        weights=tuple(ordering.weight / total for ordering in chosen),
        misfit=chosen[0].cell.misfit,
        notes=(
            *_composition_notes(primitive, structures[0], chosen[0]),
            *_choice_notes(chosen, candidates),
        ),
    )


def _build(primitive: Structure, ordering: Ordering) -> Structure:
    """Return an ordering as a structure: the ordered sites, then the disordered."""
    cell = ordering.cell
    inverse = np.linalg.inv(cell.matrix)
    ordered = sorted(set(range(len(primitive))) - set(cell.sites.tolist()))
    images = cell.num_images
    sites = np.concatenate([np.repeat(ordered, images), np.repeat(cell.sites, images)])
    species: list[Specie | None] = []
    for k in ordered:
        species += [primitive[k].specie] * images
    species += _species(ordering)
    frac = primitive.frac_coords[sites.astype(np.int64)]
    frac = (frac + np.tile(cell.images, (len(primitive), 1))) @ inverse
    held = [(k, specie) for k, specie in enumerate(species) if specie is not None]
    places = [k for k, _ in held]
    if not places:
        raise StructureError(
            f"{primitive.composition.hill_formula}: no atom fits in a cell of"
            f" {len(species)} sites, so rarely are they occupied; allow a larger one"
            " (max_atoms)"
        )
    lattice = Lattice(cell.matrix @ primitive.lattice.matrix)
    return Structure(
        lattice,
        [specie for _, specie in held],
        frac[places],
        labels=[primitive[int(sites[k])].label for k in places],
        to_unit_cell=True,
    )


def _species(ordering: Ordering) -> list[Specie | None]:
    cell = ordering.cell
    ends = np.cumsum([counts.sum() for counts in cell.counts])[:-1]
    return [
        sublattice.species[label]
        for sublattice, part in zip(
            cell.sublattices, np.split(ordering.labels, ends), strict=True
        )
        for label in part
    ]


def _composition_notes(
    primitive: Structure, ordered: Structure, ordering: Ordering
) -> list[str]:
    cell, notes = ordering.cell, []
    if cell.largest_misfit > _NOISE:
        wanted = _formula(primitive.composition, 1)
        made = _formula(ordered.composition, cell.num_images)
        notes.append(
            f"ordered as {made} instead of {wanted}: {cell.largest_misfit:.3g} atoms"
            " per disordered site too many or too few"
        )
    held = set(ordered.composition.element_composition)
    lost = [str(e) for e in primitive.composition.element_composition if e not in held]
    if lost:
        notes.append(
            f"too little {', '.join(lost)} for one atom in a cell of {len(ordered)}"
            " atoms: left out"
        )
    return notes


def _choice_notes(
    chosen: Sequence[Ordering], candidates: Sequence[Ordering]
) -> list[str]:
    notes = []
    if chosen[0].cost:
        notes.append(
            f"{-(-chosen[0].cost // 2)} pairs of partly occupied sites are both"
            " occupied although they are closer than bonds"
        )
    if len(candidates) > len(chosen):
        total = sum(ordering.weight for ordering in candidates)
        share = sum(ordering.weight for ordering in chosen) / total
        notes.append(
            f"the {len(chosen)} most frequent of {len(candidates)} different orderings,"
            f" which make {100 * share:.2g} % of all"
        )
    return notes


def _formula(composition: Composition, num_cells: int) -> str:
    """Return a formula of fractions, its elements in alphabetical order."""
    amounts = {
        str(element): round(float(amount) / num_cells, 4)
        for element, amount in composition.element_composition.items()
    }
    return "".join(
        element if amount == 1 else f"{element}{amount:g}"
        for element, amount in sorted(amounts.items())
    )
