from dataclasses import replace

import pytest
from pymatgen.core import Lattice, Structure

from pyg_sitenet.errors import DataError, SiteNetWarning
from pyg_sitenet.report import collect, sections, view
from pyg_sitenet.report.sections import telling_crystals


def test_largest_errors_are_viewed(make_predictor, analysis, made_entries, monkeypatch):
    monkeypatch.setattr(sections, "DEFAULT_VIEWS", 2)
    result = collect(make_predictor(), analysis, made_entries, title="gap")
    assert [item.id for item in result.views] == ["quartz", "caesium"]
    assert result.views[0].values["gap [eV]"] == 100
    assert set(result.views[0].values) == {"gap [eV]", "predicted gap [eV]"}


def test_farthest_reach_is_viewed_where_no_value_is_known(analysis):
    crystals = analysis.survey.crystals
    first = crystals.sort_values("long range [A]")["id"].iloc[-1]
    assert telling_crystals(crystals, ())[0] == first


def test_chosen_crystals_are_viewed_in_their_order(
    make_predictor, analysis, made_entries
):
    result = collect(
        make_predictor(),
        analysis,
        made_entries,
        title="gap",
        chosen=["salt", "caesium"],
    )
    assert [item.id for item in result.views] == ["salt", "caesium"]


def test_crystal_that_is_not_there_is_a_note(make_predictor, analysis, made_entries):
    result = collect(
        make_predictor(), analysis, made_entries, title="gap", chosen=["gold", "salt"]
    )
    assert [item.id for item in result.views] == ["salt"]
    (note,) = [item for item in result.notes if "3-D" in item]
    assert note.startswith(
        "not in the 3-D view: there is no crystal 'gold' among the 3"
    )


def test_disordered_crystal_is_a_note(make_predictor, analysis, made_entries):
    alloy = Structure(
        Lattice.cubic(3.75), [{"Cu": 0.75, "Au": 0.25}] * 2, [[0, 0, 0], [0.5] * 3]
    )
    entries = [replace(made_entries[0], content=alloy), *made_entries[1:]]
    result = collect(make_predictor(), analysis, entries, title="gap")
    assert [item.id for item in result.views] == ["quartz", "caesium"]
    assert any(item.startswith("not in the 3-D view: salt: ") for item in result.notes)


def test_id_of_several_crystals_is_an_error(make_predictor, made_entries, analyse):
    entries = [replace(item, id="salt") for item in made_entries]
    result = analyse(make_predictor(), entries)
    with pytest.raises(DataError, match="'salt' is the id of more than one crystal; "):
        collect(make_predictor(), result, entries, title="gap")


def test_crystal_that_is_too_large_is_a_note_and_a_warning(
    make_predictor, analysis, made_entries, monkeypatch
):
    monkeypatch.setattr(view, "MAX_PAIRS", 200)
    with pytest.warns(SiteNetWarning, match=r"quartz: \d+ pairs .*at most 200, so"):
        result = collect(
            make_predictor(), analysis, made_entries, title="gap",
            chosen=["quartz", "salt"],
        )  # fmt: skip
    assert "quartz" not in [item.id for item in result.views]
    assert "salt" in [item.id for item in result.views]
    assert any("not in the 3-D view: quartz: " in item for item in result.notes)
