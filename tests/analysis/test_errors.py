"""Errors by measure and by element, computed by hand."""

import numpy as np
import pandas as pd
import pytest

from pyg_sitenet.analysis.errors import (
    BINS,
    errors_by_element,
    errors_by_measure,
    with_errors,
)

CRYSTALS = with_errors(
    pd.DataFrame(
        {
            "elements": ["Na Cl", "K Cl", "Na Br", "K Br"],
            "sites": [2, 2, 4, 4],
            "gap": [1.0, 2.0, 3.0, np.nan],
            "predicted gap": [1.5, 1.0, 3.0, 9.0],
        }
    ),
    ["gap"],
)


def test_elements_come_with_the_mean_error_of_their_crystals():
    table = errors_by_element(CRYSTALS, "gap").set_index("element")
    assert list(table.index) == ["K", "Cl", "Na", "Br"]  # the worst first
    assert table.loc["Cl", "crystals"] == 2
    assert table.loc["Cl", "mae"] == pytest.approx(0.75)
    assert table.loc["Cl", "bias"] == pytest.approx(-0.25)
    assert table.loc["Na", "standard error"] == pytest.approx(0.25)


def test_crystals_of_unknown_value_are_left_out():
    assert errors_by_element(CRYSTALS, "gap")["crystals"].sum() == 2 * 3
    assert errors_by_measure(CRYSTALS, "gap", {"size": "sites"})["crystals"].sum() == 3


def test_crystals_of_equal_size_stay_in_one_group():
    table = errors_by_measure(CRYSTALS, "gap", {"size": "sites"})
    assert table["from"].tolist() == table["to"].tolist() == [2, 4]
    assert table["mae"].tolist() == [0.75, 0.0]


def test_groups_are_about_equally_large_and_cover_all():
    random = np.random.default_rng(0)
    values = random.exponential(size=400)
    crystals = pd.DataFrame({"gap": values, "predicted gap": values + 1})
    table = errors_by_measure(with_errors(crystals, ["gap"]), "gap", {"gap": "gap"})
    assert table["crystals"].tolist() == [400 // BINS] * BINS
    assert (table["from"].to_numpy()[1:] > table["to"].to_numpy()[:-1]).all()
    assert np.allclose(table["mae"], 1)


def test_nothing_known_gives_an_empty_table():
    none = CRYSTALS.iloc[3:]
    assert errors_by_measure(none, "gap", {"size": "sites"}).empty
    assert errors_by_element(none, "gap").empty
