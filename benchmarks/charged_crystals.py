"""Salts on the sites of real crystals, with energies that are known exactly.

Geometries are those of the bundled dielectric data with an even number of sites,
brought to the density of rock salt. Na+ and Cl- occupy the sites half and half, in
random order. Order matters: where nature puts charges they screen each other, and the
electrostatic energy is all but local; in random order it is not (``--truth`` of
``long_range.py`` prints how much of it a local sum misses). The charge is the element,
which every model is given, so that none is at a disadvantage.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pymatgen.analysis.ewald import EwaldSummation
from pymatgen.core import Species, Structure
from scipy.special import erfc

from pyg_sitenet.data import Record, open_source

TASKS = ("electrostatic", "control")
CONTROL_CUTOFF = 5.0  # angstrom
MIN_SITES = 4  # with two there is one order only
MIN_DISTANCE = 1.8  # angstrom, at that density: leaves out hydrogen
VOLUME_PER_SITE = 22.4  # cubic angstrom, rock salt
_COULOMB = 14.399645  # eV angstrom per e^2
# Control: repulsion of 1 eV where ions touch, falling e-fold in 0.5 angstrom, and a
# dispersion of 0.1 eV there. Shannon's radii, angstrom.
_RADIUS = {"Na": 1.02, "Cl": 1.81}
_DECAY, _DISPERSION = 0.5, 0.1

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ChargedCrystal:
    """Ions on the sites of a real structure, and their energies.

    Attributes:
        id: Identifier of the real structure.
        structure: Na+ and Cl-, with oxidation states.
        energies: eV per site of each of ``TASKS``.
    """

    id: str
    structure: Structure
    energies: dict[str, float]


def charged_crystals(copies: int, seed: int = 0) -> list[list[ChargedCrystal]]:
    """Return ``copies`` orders of the ions on the sites of each real structure."""
    rng = np.random.default_rng(seed)
    return [
        [_occupy(id_, structure, rng) for _ in range(copies)]
        for id_, structure in _geometries()
    ]


def electrostatic_energy(structure: Structure) -> float:
    """Return the Ewald energy of the charges, eV per site."""
    return float(EwaldSummation(structure).total_energy / len(structure))


def control_energy(structure: Structure) -> float:
    """Return a Buckingham energy that ends smoothly at 5 angstrom, eV per site."""
    radius = np.array([_RADIUS[site.specie.symbol] for site in structure])
    receiver, sender, _, distance = structure.get_neighbor_list(CONTROL_CUTOFF)
    contact = radius[receiver] + radius[sender]
    end = (1 + np.cos(np.pi * distance / CONTROL_CUTOFF)) / 2
    pair = np.exp((contact - distance) / _DECAY)
    pair -= _DISPERSION * (contact / distance) ** 6
    return float(0.5 * (pair * end).sum() / len(structure))


def truncated_energy(structure: Structure, radius: float) -> float:
    """Return a local estimate of the Ewald energy, eV per site.

    The damped and shifted sum of Wolf et al., J. Chem. Phys. 110, 8254 (1999), which
    neutralises the sphere; a damping of 1.5 / radius suits 5 to 13 angstrom.
    """
    charge = np.array([site.specie.oxi_state for site in structure], dtype=float)
    damping = 1.5 / radius
    shift = erfc(damping * radius) / radius
    receiver, sender, _, distance = structure.get_neighbor_list(radius)
    pair = charge[receiver] * charge[sender]
    energy = 0.5 * (pair * (erfc(damping * distance) / distance - shift)).sum()
    energy -= (shift / 2 + damping / np.sqrt(np.pi)) * (charge**2).sum()
    return float(_COULOMB * energy / len(structure))


def _geometries() -> list[tuple[str, Structure]]:
    geometries = []
    for record in open_source("dielectric", ("band_gap",)):
        if not isinstance(record, Record):
            continue
        structure = record.structure.copy()
        if len(structure) < MIN_SITES or len(structure) % 2:
            continue
        structure.scale_lattice(VOLUME_PER_SITE * len(structure))
        if not len(structure.get_neighbor_list(MIN_DISTANCE)[0]):
            geometries.append((record.id, structure))
    return geometries


def _occupy(id_: str, structure: Structure, rng: np.random.Generator) -> ChargedCrystal:
    ions = [Species("Na", 1), Species("Cl", -1)] * (len(structure) // 2)
    species = [ions[i] for i in rng.permutation(len(ions))]
    crystal = Structure(structure.lattice, species, structure.frac_coords)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Ewald warns of a charged cell
        energies = (electrostatic_energy(crystal), control_energy(crystal))
    return ChargedCrystal(id_, crystal, dict(zip(TASKS, energies, strict=True)))
