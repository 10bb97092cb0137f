"""One row per crystal: each value as it is for that crystal alone."""

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from pyg_sitenet.analysis.complexity import structural_complexity
from pyg_sitenet.analysis.long_range import head_column, head_long_range
from pyg_sitenet.analysis.survey import survey
from pyg_sitenet.data.graph.encode import encode_structure
from pyg_sitenet.data.readers.entry import Entry
from pyg_sitenet.data.records import Failure
from pyg_sitenet.errors import DataError

FAILURE = Failure("bad.cif", "bad", "read", "no atoms", "repair it")


def test_rows_are_those_of_the_crystals_alone(predictor, entries):
    result = survey(predictor, entries, ("gap",))
    table = result.crystals.set_index("id")
    assert list(table.index) == [entry.id for entry in entries]
    for entry in entries:
        row, data = table.loc[entry.id], predictor.description.config.data
        graph = encode_structure(
            entry.content, max_atoms=data.max_atoms, environment=data.environment
        )
        heads = head_long_range(predictor.model, graph)[0]
        assert row["long range [A]"] == pytest.approx(float(heads[-1].sum()), abs=1e-5)
        assert row[head_column(1, 2)] == pytest.approx(float(heads[0, 1]), abs=1e-5)
        assert row["sites"] == len(graph.z)
        assert row["volume [A^3]"] == pytest.approx(
            structural_complexity(entry.content).volume, rel=1e-5
        )
        assert row["predicted gap [eV]"] == pytest.approx(
            predictor.model(graph).item(), abs=1e-5
        )
        assert row["gap [eV]"] == entry.targets["gap"]


def test_complexity_is_in_the_row(predictor, entries):
    table = survey(predictor, entries, ("gap",)).crystals.set_index("id")
    expected = structural_complexity(entries[2].content)
    assert table.loc["quartz", "configurational complexity [bit]"] == pytest.approx(
        expected.configurational
    )


def test_failures_are_listed_and_the_rest_is_done(predictor, entries):
    bad = Entry("far", "far.cif", Structure(Lattice.cubic(4), ["H"] * 2, [[0] * 3] * 2))
    result = survey(predictor, [FAILURE, entries[0], bad], ("gap",))
    assert result.crystals["id"].tolist() == ["salt"]
    assert [failure.id for failure in result.failures] == ["bad", "far"]


def test_targets_may_be_unknown(predictor, entries):
    plain = [Entry(item.id, item.origin, item.content) for item in entries]
    table = survey(predictor, plain).crystals
    assert "gap [eV]" not in table
    assert np.isfinite(table["predicted gap [eV]"]).all()


@pytest.mark.parametrize("disorder", ["error", "sample"])
def test_disordered_crystal_is_its_first_ordering_or_refused(
    make_predictor, entries, disorder
):
    settings = (f"data.disorder={disorder}", "data.orderings=2", "data.max_atoms=16")
    mixed = Structure(
        Lattice.cubic(6.0), [{"Na": 0.5, "K": 0.5}, "Cl"], [[0] * 3, [0.5] * 3]
    )
    wanted = [entries[0], Entry("mixed", "mixed.cif", mixed)]
    result = survey(make_predictor(*settings), wanted)
    if disorder == "error":
        assert "disordered" in result.failures[0].reason
        return
    row = result.crystals.set_index("id").loc["mixed"]
    assert "its first ordering stands for it" in row["warnings"]
    assert "no complexity: mixed.cif: disordered" in row["warnings"]
    assert np.isnan(row["configurational complexity [bit]"])
    assert np.isfinite(row["long range [A]"])
    assert (result.ledger.used, result.ledger.warned) == (2, 1)


def test_nothing_usable_is_an_error_with_the_first_reason(predictor):
    with pytest.raises(DataError, match=r"\(1 failed\); the first failure: no atoms"):
        survey(predictor, [FAILURE])


def test_prediction_that_is_no_number_is_a_failure(predictor, entries):
    predictor.model.target_scale.fill_(np.nan)
    with pytest.raises(DataError, match="the prediction is not a finite number"):
        survey(predictor, entries)
