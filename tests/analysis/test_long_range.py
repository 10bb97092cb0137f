"""The long-range coefficient of batches; its values are in test_reference.py."""

import numpy as np
import pandas as pd
import pytest
import torch
from pymatgen.core import Lattice, Structure
from torch_geometric.data import Batch

from pyg_sitenet.analysis import head_long_range, long_range_coefficient
from pyg_sitenet.analysis.long_range import (
    LONG_RANGE,
    MEASURES,
    head_column,
    long_range_fits,
)
from pyg_sitenet.analysis.long_range_figure import (
    plot_long_range,
    plot_long_range_heads,
)
from pyg_sitenet.data.graph.encode import encode_structure
from pyg_sitenet.nn import SiteNet


def test_each_crystal_of_a_batch_has_its_own():
    crystals = [Structure(Lattice.cubic(a), ["Po"], [[0] * 3]) for a in (3.0, 4.0)]
    graphs = [encode_structure(crystal, max_atoms=30) for crystal in crystals]
    model = SiteNet.from_preset("paper").eval()
    together = head_long_range(model, Batch.from_data_list(graphs))
    assert together.shape == (2, 2, 3)
    for graph, heads in zip(graphs, together, strict=True):
        torch.testing.assert_close(head_long_range(model, graph)[0], heads)
        coefficient = long_range_coefficient(model, graph)
        torch.testing.assert_close(coefficient, heads[-1].sum()[None])


def test_line_and_correlations_are_fitted_per_head():
    x = np.array([1.0, 2.0, 3.0, 4.0])
    crystals = pd.DataFrame(dict.fromkeys(MEASURES, x))
    crystals[LONG_RANGE] = 2 * x + 1
    crystals[head_column(1, 1)] = -x
    fits = long_range_fits(crystals, blocks=1, heads=1)
    assert len(fits) == 2 * 2
    total, head = fits.iloc[0], fits.iloc[1]
    assert (total["head"], total["slope"], total["intercept"]) == (
        "all",
        pytest.approx(2),
        pytest.approx(1),
    )
    assert total["pearson r"] == pytest.approx(1)
    assert (head["block"], head["spearman rho"]) == ("1", pytest.approx(-1))


@pytest.mark.parametrize("values", [[1.0, 2.0], [1.0, np.nan, 2.0], [3.0, 3.0, 3.0]])
def test_too_little_to_fit_a_line_is_no_number(values):
    crystals = pd.DataFrame(dict.fromkeys(MEASURES, values))
    crystals[LONG_RANGE] = crystals[head_column(1, 1)] = np.arange(len(values))
    assert long_range_fits(crystals, 1, 1)["slope"].isna().all()


def test_every_crystal_is_inside_the_axes(drawn, tmp_path):
    x = np.linspace(1.0, 2.0, 30)
    crystals = pd.DataFrame(dict.fromkeys(MEASURES, x)).assign(**{LONG_RANGE: 5 * x})
    for head in (1, 2, 3):  # each reaches farther than the one before
        crystals[head_column(1, head)] = head * x
    fits = long_range_fits(crystals, blocks=1, heads=3)
    plot_long_range(tmp_path / "a.png", crystals, fits)
    plot_long_range_heads(tmp_path / "b.png", crystals, fits, MEASURES[0])
    panels = [axes for figure in drawn for axes in figure.axes]
    highest = [axes.lines[0].get_ydata().max() for axes in panels]
    assert highest == [10, 10, 2, 4, 6]
    for axes, y in zip(panels, highest, strict=True):
        assert axes.get_xlim()[0] < 1
        assert axes.get_xlim()[1] > 2
        assert axes.get_ylim()[0] == 0
        assert axes.get_ylim()[1] > y
