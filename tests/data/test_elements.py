"""The property table is complete and in its stated units."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from pyg_sitenet.data import elements
from pyg_sitenet.data.elements import (
    PROPERTY_NAMES,
    UNITS,
    element_properties,
    property_statistics,
)


def test_sodium_is_in_the_stated_units():
    expected = [11, 22.98976928, 3, 1, 5.139076, 0.93, 1.8, 968]
    assert element_properties()[11] == pytest.approx(expected, rel=1e-7)


def test_every_element_has_every_property():
    table = element_properties()
    assert table.shape == (119, 8)
    assert len(PROPERTY_NAMES) == len(UNITS) == 8
    assert np.isfinite(table).all()
    assert (table[1:] > 0).all()
    assert table[1:, 0].tolist() == list(range(1, 119))


def test_gaps_are_marked_and_take_their_column():
    text = Path(elements.__file__).with_name("elements.csv").read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    marked = {row[0]: row[1:] for row in csv.reader(lines)}
    table = element_properties()
    electronegativity = PROPERTY_NAMES.index("electronegativity")
    density = PROPERTY_NAMES.index("density")
    assert marked["Ne"][electronegativity].endswith("*")
    assert table[10, electronegativity] == table[36, electronegativity]  # Ne as Kr
    assert marked["Fr"][density].endswith("*")
    assert table[87, density] == table[55, density]  # Fr as Cs
    assert "*" not in "".join(marked["Na"] + marked["Cl"] + marked["Fe"])


def test_statistics_standardise_the_table():
    mean, scale = property_statistics()
    assert mean.shape == scale.shape == (9,)
    scaled = (element_properties()[1:] - mean[:8]) / scale[:8]
    assert np.allclose(scaled.mean(axis=0), 0)
    assert np.allclose(scaled.std(axis=0), 1)
    assert mean[8] == 0
    assert scale[8] > 0


def test_the_table_cannot_be_changed_by_accident():
    with pytest.raises(ValueError, match="read-only"):
        element_properties()[1, 0] = 0
