"""Numbers, labels and gaps: decided in one place for all readers."""

from __future__ import annotations

import math

import pytest

from pyg_sitenet.data.readers.cells import is_gap, is_label, number_of


@pytest.mark.parametrize(
    ("value", "number"),
    [("1.5", 1.5), (" -.5E3 ", -500.0), ("\u22122", -2.0), ("1D-3", 1e-3), (7, 7.0)],
)
def test_numbers_are_read_as_programs_write_them(value: object, number: float) -> None:
    assert number_of(value) == number


@pytest.mark.parametrize(
    "value",
    ["1_10", "0x10", "1,5", "\uff11\uff12", "1 2", "", "nan", True, None, [1.0]],
)
def test_other_values_are_no_numbers(value: object) -> None:
    assert number_of(value) is None


@pytest.mark.parametrize(
    "value",
    [None, "", " ", "N/A", "na", "NA", "n.a.", "#N/A", "null", "None", "-", "--", "NaN",
     "\u2014", "<NA>", "empty", math.nan],
)  # fmt: skip
def test_gaps_are_neither_numbers_nor_labels(value: object) -> None:
    assert is_gap(value)
    assert not is_label(value)


@pytest.mark.parametrize("value", ["Na", "no", "0", 0, False, "unknown", "n" * 10**6])
def test_other_values_are_no_gaps(value: object) -> None:
    assert not is_gap(value)
