"""What the cards of the ready models say that no run folder knows."""

from __future__ import annotations

from dataclasses import dataclass

_MATERIALS_PROJECT = (
    "A. Jain et al., APL Mater. 1, 011002 (2013), doi:10.1063/1.4812323 (Materials "
    "Project, CC BY 4.0)"
)
_MATBENCH = (
    "A. Dunn et al., npj Comput. Mater. 6, 138 (2020), doi:10.1038/s41524-020-00406-3 "
    "(Matbench)"
)
_ELASTIC = (
    "M. de Jong et al., Charting the complete elastic properties of inorganic "
    "crystalline compounds, Sci. Data 2, 150009 (2015), doi:10.1038/sdata.2015.9; "
    f"{_MATERIALS_PROJECT}; {_MATBENCH}"
)
_ELASTIC_LIMITS = """\
- Averages of Voigt, Reuss and Hill of single crystals at 0 K from density functional
  theory: nothing of grains, pores, defects or temperature.
- What is learnt is the logarithm, so errors grow with the modulus; soft layered
  crystals are least certain."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is to be said of a model.

    Args:
        target: Its column in tables.
        unit: Unit of the target; empty for a number without dimension.
        source: Bundled data set or Matbench task that its crystals are from.
        data: What they are, in half a sentence.
        citation: The works to cite.
        limits: What it cannot do, as Markdown.
        board: Best published errors of networks trained on the whole task alone.
        is_log: Whether the target of the task is log10 of this one.
    """

    target: str
    unit: str
    source: str
    data: str
    citation: str
    limits: str
    board: str = ""
    is_log: bool = False


FACTS = {
    "band-gap": Facts(
        target="band_gap",
        unit="eV",
        source="matbench_mp_gap",
        data="band gaps of inorganic crystals, metals (0 eV) among them",
        citation=f"{_MATERIALS_PROJECT}; {_MATBENCH}",
        limits="""\
- Band gaps of density functional theory with the functionals of the Materials Project,
  which are smaller than measured ones, by a third to a half.
- Metals have a gap of 0, which it predicts within its error: it is no classifier.""",
        board="coGN 0.1559",
    ),
    "formation-energy": Facts(
        target="formation_energy",
        unit="eV/atom",
        source="formation_energy",
        data="formation energies of inorganic compounds",
        citation=(
            "F. Faber et al., Crystal structure representations for machine learning "
            "models of formation energies, Int. J. Quantum Chem. 115, 1094-1101 "
            f"(2015), doi:10.1002/qua.24917; {_MATERIALS_PROJECT}"
        ),
        limits="""\
- Energies of density functional theory with the functionals and corrections of the
  Materials Project, against the elements, at relaxed structures. Energies of
  structures that are not relaxed are outside of what it has seen.
- Cells of at most 25 sites, ordered crystals. Elements with few crystals are least
  certain.
- Differences between polymorphs are often smaller than its error.""",
    ),
    "bulk-modulus": Facts(
        target="bulk_modulus",
        unit="GPa",
        source="matbench_log_kvrh",
        data="bulk moduli (Voigt-Reuss-Hill) of inorganic crystals",
        citation=_ELASTIC,
        limits=_ELASTIC_LIMITS,
        board="coNGN 0.0491",
        is_log=True,
    ),
    "shear-modulus": Facts(
        target="shear_modulus",
        unit="GPa",
        source="matbench_log_gvrh",
        data="shear moduli (Voigt-Reuss-Hill) of inorganic crystals",
        citation=_ELASTIC,
        limits=_ELASTIC_LIMITS,
        board="coNGN 0.0670",
        is_log=True,
    ),
    "refractive-index": Facts(
        target="refractive_index",
        unit="",
        source="matbench_dielectric",
        data="refractive indices of inorganic crystals with a gap",
        citation=(
            "I. Petousis et al., High-throughput screening of inorganic compounds for "
            "the discovery of novel dielectric and optical materials, Sci. Data 4, "
            f"160134 (2017), doi:10.1038/sdata.2016.134; {_MATERIALS_PROJECT}; "
            f"{_MATBENCH}"
        ),
        limits="""\
- Square root of the electronic dielectric constant at zero frequency, averaged over
  directions, from density functional theory, which makes gaps too small and indices
  somewhat too large.
- A few crystals with indices far above 5 make up much of its mean error.
- Metals have no such index: for them the number means nothing.""",
        board="MODNet 0.2711",
    ),
    "phonon-frequency": Facts(
        target="highest_phonon_frequency",
        unit="cm^-1",
        source="matbench_phonons",
        data="frequencies of the highest peak of the phonon density of states",
        citation=(
            "G. Petretto et al., High-throughput density-functional perturbation "
            "theory phonons for inorganic materials, Sci. Data 5, 180065 (2018), "
            f"doi:10.1038/sdata.2018.65; {_MATERIALS_PROJECT}; {_MATBENCH}"
        ),
        limits="""\
- The last peak of the density of states, which is not the highest frequency of all but
  close to it; harmonic, at 0 K, from density functional theory.
- Few crystals, mostly small cells with a gap. Elements with few crystals are least
  certain.""",
        board="MegNet 28.76",
    ),
    "perovskite-formation-energy": Facts(
        target="perovskite_formation_energy",
        unit="eV/cell",
        source="matbench_perovskites",
        data="formation energies of cubic cells of five atoms, ABX3",
        citation=(
            "I. E. Castelli et al., New cubic perovskites for one- and two-photon "
            "water splitting using the computational materials repository, Energy "
            f"Environ. Sci. 5, 9034 (2012), doi:10.1039/C2EE22341D; {_MATBENCH}"
        ),
        limits="""\
- Cubic perovskite cells of five atoms alone, with X of O, N, S, F in mixtures: of any
  other crystal the number means nothing.
- Energies of density functional theory (RPBE) of the cell, not of an atom.""",
        board="coGN 0.0269",
    ),
}
