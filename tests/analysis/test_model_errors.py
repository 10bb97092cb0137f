"""Errors by measure and by element, computed by hand."""

import numpy as np
import pandas as pd
import pytest

from pyg_sitenet.analysis.model_errors import (
    BINS,
    errors_by_element,
    errors_by_measure,
    with_errors,
)
from pyg_sitenet.analysis.model_errors_figure import plot_errors, plot_errors_by_element

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


def panel_of(errors, drawn, path):
    """Draw crystals with these errors over their number; the panel and the legend."""
    truth = np.arange(float(len(errors)))
    crystals = pd.DataFrame({"gap": truth, "predicted gap": truth + errors})
    crystals, measures = with_errors(crystals, ["gap"]), {"gap": "gap"}
    table = errors_by_measure(crystals, "gap", measures)
    plot_errors(path, crystals, table, measures, "error of gap", "gap")
    texts = [text.get_text() for text in drawn[-1].legends[0].get_texts()]
    return drawn[-1].axes[0], texts


def test_errors_beyond_the_axis_are_counted_and_drawn_at_its_edge(drawn, tmp_path):
    errors = np.r_[np.linspace(-1, 1, 200), 8, -30, 20]
    axes, texts = panel_of(errors, drawn, tmp_path / "a.png")
    assert texts[0] == "3 crystals with larger errors, up to 30"
    points, edge, means = (line.get_ydata() for line in axes.lines[:3])
    assert np.allclose(points, np.abs(errors[:200]))
    assert len(edge) == 3
    assert means.max() > 3  # the last group, with its standard error, is seen whole
    top = axes.get_ylim()[1]
    assert means.max() < max(edge) < top < 10


def test_errors_of_one_size_fit_into_the_axis(drawn, tmp_path):
    axes, texts = panel_of(np.linspace(0, 1, 50), drawn, tmp_path / "a.png")
    assert texts == ["mean of a group, with its standard error"]
    assert axes.get_ylim() == (0, pytest.approx(1, abs=0.1))
    axes, _ = panel_of(np.zeros(5), drawn, tmp_path / "b.png")
    assert axes.get_ylim()[1] > 0


@pytest.mark.parametrize(
    ("symbols", "lowest"),
    [("H O", 3), ("Na La Pb", 7.2), ("Na La U", 8.2), ("Ra La U", 9.2)],
)
def test_periodic_table_ends_with_its_last_element(drawn, tmp_path, symbols, lowest):
    table = pd.DataFrame({"element": symbols.split(), "mae": 1.0, "crystals": 9})
    plot_errors_by_element(tmp_path / "a.png", table, "gap")
    axes = drawn[0].axes[0]
    places = {(box.get_x(), box.get_y()) for box in axes.patches}
    assert len(places) == len(table)
    assert axes.get_ylim()[0] == pytest.approx(lowest + 0.5)


def test_colour_bar_tells_where_its_scale_ends(drawn, tmp_path):
    table = pd.DataFrame(
        {"element": ["Na", "K", "Rb"], "mae": [0.1, 0.2, 9.0], "crystals": [9, 9, 1]}
    )
    plot_errors_by_element(tmp_path / "a.png", table, "gap [eV]")
    (bar,) = drawn[0].axes[0].child_axes
    assert bar.get_xlim() == (0, pytest.approx(0.195))  # of the two that are not rare
    assert "gap [eV]; the highest 5% of the elements look alike" in bar.get_xlabel()


def test_errors_of_zero_are_drawn(tmp_path):
    table = pd.DataFrame({"element": ["Na", "Cl"], "mae": 0.0, "crystals": [9, 1]})
    path = plot_errors_by_element(tmp_path / "a.png", table, "gap")
    assert path.read_bytes().startswith(b"\x89PNG")
