"""Which headings state a unit, and which only look like it."""

from __future__ import annotations

import pytest

from pyg_sitenet.data.readers.tables.headers import split_headers, split_unit


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("gap [eV]", ("gap", "eV")),
        ("gap (eV)", ("gap", "eV")),
        ("e above hull [eV/atom]", ("e above hull", "eV/atom")),
        ("K_VRH [log10(GPa)]", ("K_VRH", "log10(GPa)")),
        ("log10(K_VRH) [log10(GPa)]", ("log10(K_VRH)", "log10(GPa)")),
        ("gap", ("gap", None)),
        ("n []", ("n", "")),
        ("[eV]", ("[eV]", None)),
        ("log10(K_VRH)", ("log10(K_VRH)", None)),
        ("gap (PBE)", ("gap (PBE)", None)),
        ("gap [GW]", ("gap [GW]", None)),
        ("gap (300 K)", ("gap (300 K)", None)),
        ("E_ads (N)", ("E_ads (N)", None)),
        ("moment (Fe)", ("moment (Fe)", None)),
        ("energy (calc)", ("energy (calc)", None)),
        ("a (min)", ("a (min)", None)),
        ("gap [eV] (PBE)", ("gap (PBE)", "eV")),
        ("gap (eV) [PBE]", ("gap [PBE]", "eV")),
        ("moment (Fe) (calc)", ("moment (Fe) (calc)", None)),
        ("E_ads (N) (calc)", ("E_ads (N) (calc)", None)),
    ],
)
def test_units_are_split_from_headers(
    header: str, expected: tuple[str, str | None]
) -> None:
    assert split_unit(header) == expected


def test_headings_of_one_name_keep_what_makes_them_differ() -> None:
    pairs = split_headers(["id", "E [eV]", "E [meV]", "n"])
    assert [name for name, _ in pairs] == ["id", "E [eV]", "E [meV]", "n"]


def test_remark_is_left_out_where_the_bare_name_is_asked_for() -> None:
    assert split_headers(["gap (PBE)"], ["gap"]) == [("gap", None)]
    assert split_headers(["gap [eV] (PBE)"], ["gap"]) == [("gap", "eV")]
    both_ends = ["gap (PBE)", "gap [eV] (PBE)"]
    assert split_headers(both_ends, ["gap (PBE)"])[0] == ("gap (PBE)", None)
    both = ["gap (PBE)", "gap (HSE)"]
    assert [name for name, _ in split_headers(both, ["gap"])] == both
