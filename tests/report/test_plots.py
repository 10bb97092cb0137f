"""Figures of the report show the numbers of the analysis."""

import numpy as np
import pandas as pd
import pytest

from pyg_sitenet.analysis.attention import distance_table, histogram_table
from pyg_sitenet.analysis.long_range import MEASURES, head_column, long_range_fits
from pyg_sitenet.analysis.model_errors import errors_by_measure, with_errors
from pyg_sitenet.report import plots
from pyg_sitenet.report.attention_plots import (
    attention_by_distance,
    attention_histograms,
)

BLOCKS, HEADS = 2, 2
NAMES = [f"block {b + 1}, head {h + 1}" for b in range(BLOCKS) for h in range(HEADS)]


@pytest.fixture
def crystals(analysis):
    return analysis.survey.crystals


@pytest.fixture
def shares(analysis):
    return histogram_table(analysis.survey.attention)


def labels(figure):
    return [item.label for item in figure.layout.updatemenus[0].buttons]


@pytest.mark.parametrize("measure", MEASURES)
def test_menu_holds_every_head_with_its_line_and_correlation(crystals, measure):
    figure = plots.long_range(crystals, measure, BLOCKS, HEADS)
    fits = long_range_fits(crystals, BLOCKS, HEADS).query("measure == @measure")
    assert labels(figure) == ["sum", *NAMES]
    for button, (_, fit) in zip(
        figure.layout.updatemenus[0].buttons, fits.iterrows(), strict=True
    ):
        (points, line), text = button.args[0]["y"], button.args[1]
        near = fit["slope"] * crystals[measure].min() + fit["intercept"]
        assert line[0] == pytest.approx(near)
        assert text["annotations[0].text"] == (
            f"r = {fit['pearson r']:.2f}<br>Spearman {fit['spearman rho']:.2f}"
        )
    np.testing.assert_allclose(points, crystals[head_column(2, 2)], atol=1e-4)
    assert figure.layout.annotations[0].text.startswith("r = ")


def test_two_crystals_have_no_line(crystals):
    figure = plots.long_range(crystals.head(2), MEASURES[0], BLOCKS, HEADS)
    assert figure.layout.annotations[0].text == "too few crystals<br>for a line"


def test_errors_come_with_the_means_of_groups(crystals):
    crystals = with_errors(crystals, ["gap [eV]"])
    figure = plots.errors(crystals, "gap [eV]")
    expected = errors_by_measure(crystals, "gap [eV]", {"size": "sites"})
    means = figure.data[labels(figure).index("sites") * 2 + 1]
    np.testing.assert_array_equal(means.x, expected["middle"])
    np.testing.assert_array_equal(means.y, expected["mae"])
    assert [item.visible for item in figure.data] == [True, True] + 4 * [False]
    assert figure.layout.updatemenus[0].buttons[1].args[0]["visible"] == [
        False, False, True, True, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize("with_self", [False, True])
def test_each_distance_has_shares_that_add_up_to_one(shares, with_self):
    figure = attention_histograms(shares, with_self=with_self)
    assert labels(figure) == NAMES
    for item in figure.data:
        filled = ~np.isnan(item.z).all(axis=0)
        assert filled[0] == with_self  # an atom with itself
        assert not filled[1:4].any()  # no two atoms are nearer than 1 angstrom
        np.testing.assert_allclose(np.nansum(item.z[:, filled], axis=0), 1, rtol=1e-5)
    assert (item.x0, item.dx) == (0.125, 0.25)


def test_bins_stand_at_their_weights(shares):
    figure = attention_histograms(shares, with_self=True)
    head = shares.query("block == 1 and head == 1")
    row, column = np.argwhere(~np.isnan(figure.data[0].z))[-1]
    end = 10 ** (figure.data[0].y0 + (row + 0.5) * figure.data[0].dy)
    far = (column + 1) * 0.25
    near = np.isclose(head["attention to"], end) & (head["distance to [A]"] == far)
    expected = head.loc[near, "share"].item()
    assert figure.data[0].z[row, column] == pytest.approx(expected, rel=1e-6)


def test_atoms_that_are_alone_have_figures(shares, analysis):
    shares = shares[shares["distance to [A]"] == 0.25]
    shares = shares.assign(**{"pairs without self": 0, "share without self": np.nan})
    figure = attention_histograms(shares, with_self=False)
    assert np.isnan(np.stack([item.z for item in figure.data])).all()
    distances = distance_table(analysis.survey.attention)
    alone = pd.DataFrame(distances[distances["distance to [A]"] == 0])
    assert not attention_by_distance(alone).data
