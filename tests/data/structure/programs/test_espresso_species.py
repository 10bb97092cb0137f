"""Labels of pw.x that are a symbol or the beginning of one: potential and mass tell."""

import pytest

from pyg_sitenet.data.structure.load import load_structure, read_structures
from pyg_sitenet.errors import StructureError

# Boron nitride of zincblende's structure, a = 3.615 angstrom: bonds of 1.565 angstrom.
BN = """&system
 ibrav = 0, nat = 2, ntyp = 2
/
ATOMIC_SPECIES
B 10.81 B.upf
{species}
CELL_PARAMETERS angstrom
0 1.8075 1.8075
1.8075 0 1.8075
1.8075 1.8075 0
ATOMIC_POSITIONS crystal
B 0 0 0
{label} 0.25 0.25 0.25
"""
OUTPUT = """
     Program PWSCF v.7.2 starts on  1Jan2024 at  0: 0: 0

     number of atoms/cell      =            2
     number of atomic types    =            2
     celldm(1)=   6.831360  celldm(2)=   0.000000  celldm(3)=   0.000000

     crystal axes: (cart. coord. in units of alat)
               a(1) = (   0.000000   0.500000   0.500000 )
               a(2) = (   0.500000   0.000000   0.500000 )
               a(3) = (   0.500000   0.500000   0.000000 )

     atomic species   valence    mass     pseudopotential
        B              3.00    10.81000     B ( 1.00)
        NB             5.00    {mass}     N ( 1.00)

     site n.     atom                  positions (alat units)
         1           B   tau(   1) = (   0.0000000   0.0000000   0.0000000  )
         2           NB  tau(   2) = (   0.2500000   0.2500000   0.2500000  )

!    total energy              =    -100.00000000 Ry

     convergence has been achieved in   5 iterations

ATOMIC_POSITIONS (crystal)
B        0.000000000   0.000000000   0.000000000
NB       0.250000000   0.250000000   0.250000000

!    total energy              =    -100.10000000 Ry

     convergence has been achieved in   5 iterations
"""


def written(tmp_path, text, name="a.pwi"):
    path = tmp_path / name
    path.write_text(text)
    return path


def with_species(tmp_path, species):
    return written(tmp_path, BN.format(species=species, label=species.split()[0]))


@pytest.mark.parametrize(
    ("species", "element"),
    [
        ("NB 14.007 N.upf", "N"),
        ("NB 14.007d0 N.upf ! of a kind B", "N"),
        ("Nb 14.007 kind_b.upf", "N"),
        ("NB 1.0 n_pbe_v1.2.uspp.F.UPF", "N"),  # a mass that does not matter
        ("NB 0 007-N.upf", "N"),
        ("NB 92.906 Nb.upf", "Nb"),
        ("N 15.0001 N.upf", "N"),
        ("N1 14.007 N.upf", "N"),
        ("nb 92.906 nb_pbe.upf", "Nb"),
        ("HF 1.008 H.upf", "H"),
        ("He 2.014 H.upf", "H"),
        ("HE 3.016 He.upf", "He"),
        ("CO 58.933 Co.upf", "Co"),
        ("CO 12.011 C.upf", "C"),
        ("SI 32.06 S.upf", "S"),
        ("Si 28.085 Si.upf", "Si"),
        ("Si 1.0 pseudo.upf", "Si"),
        ("Nb 1.0 pseudo.upf", "Nb"),
        ("Co 0 pseudo.upf", "Co"),
        # Potentials in folders, in quotes, and named after their functional.
        ("NB 1.0 ../pseudo/N.upf", "N"),
        ("NB 1.0 '../my pseudo/N.upf'", "N"),
        ('CO 1.0 "C.UPF"', "C"),
        (r"CO 1.0 ..\pseudo\Co.upf", "Co"),
        ("NB 1.0 NUSPBE.RRKJ3.UPF", "N"),
        ("CU 1.0 CUSPBE.RRKJ3.UPF", "C"),
        ("CU 1.0 CU.UPF", "Cu"),
        ("CO 1.0 co_pbe_v1.2.uspp.F.UPF", "Co"),
        ("OB 1.0 O.pbe-n-kjpaw_psl.1.0.0.UPF", "O"),
        # Masses that are no matter but in molecular dynamics.
        ("O 100.0 O.upf", "O"),
        ("Si 10.0 Si.upf", "Si"),
        ("Si 1.5 Si.upf", "Si"),
        ("H 4.0 H.upf", "H"),
        ("N 1.00794 N.upf", "N"),
        ("Li 1.01 Li.upf", "Li"),
        ("NB 55.845 N.upf", "N"),
        ("O 100.0 pseudo.upf", "O"),
        # Kinds.
        ("Fe1 55.845 Fe.upf", "Fe"),
        ("Fe2 1.0 fe_spn.upf", "Fe"),
        ("FE2 55.845 pseudo.upf", "Fe"),
        ("O_h 1.0 pseudo.upf", "O"),
        ("H1 1.0 pseudo.upf", "H"),
        ("C 1.0 pseudo.upf", "C"),
    ],
)
def test_label_is_the_element_of_potential_and_mass(tmp_path, species, element):
    structure = load_structure(with_species(tmp_path, species))
    assert [site.species_string for site in structure] == ["B", element]
    assert structure.get_distance(0, 1) == pytest.approx(1.565, abs=1e-3)


@pytest.mark.parametrize(
    ("species", "message"),
    [
        ("HE 4.0026 H.upf", r"'HE' may be He or H, but has the mass 4\.0026 and"),
        ("NB 14.007 Nb.upf", r"the mass 14\.007 and the potential 'Nb\.upf'; correct"),
        ("N 28.085 Si.upf", r"'N' may be N, but has the mass 28\.085 and the"),
        ("q1 28.085 Si.upf", "'q1' may be no element, but has the mass"),
        ("NB 14.007 N.upf\nNB 92.906 b", "'NB' stands for both N and Nb; give each a"),
        (
            "NB 1.0 pseudo.upf",
            r"'NB' may be Nb or N, and neither the mass 1 nor the potential"
            r" 'pseudo\.upf' tells which; write Nb or N1$",
        ),
        ("CO 1.0 a/pseudo.upf", "'CO' may be Co or C, and neither the mass 1 nor"),
    ],
)
def test_label_of_another_element_is_refused(tmp_path, species, message):
    with pytest.raises(StructureError, match=message):
        load_structure(with_species(tmp_path, species))


def test_labels_of_an_output_are_the_elements_of_their_potentials(tmp_path):
    path = written(tmp_path, OUTPUT.format(mass="14.00700"), "a.pwo")
    formulas = [structure.formula for _, structure in read_structures(path)]
    assert formulas == ["B1 N1", "B1 N1"]


def test_label_of_an_output_that_contradicts_is_refused(tmp_path):
    path = written(tmp_path, OUTPUT.format(mass="92.90600"), "a.pwo")
    with pytest.raises(StructureError, match="'NB' may be Nb or N, but has the mass"):
        list(read_structures(path))
