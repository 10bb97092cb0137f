"""Growing environments: what is compared, what is left out, what follows."""

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure

from pyg_sitenet.analysis.convergence.convergence_figure import plot_changes
from pyg_sitenet.analysis.convergence.measurement import (
    choose_entries,
    inscribed_radius,
    measure_convergence,
)
from pyg_sitenet.analysis.convergence.rule import (
    best_sizes,
    change_table,
    default_tolerance,
    error_table,
    find_rule,
    shape_table,
)
from pyg_sitenet.analysis.convergence.study import converge, untrained
from pyg_sitenet.data.readers.entry import Entry
from pyg_sitenet.data.records import Failure
from pyg_sitenet.errors import ConfigError, DataError

LIMITS = (10, 40, 80)


@pytest.fixture(scope="module")
def salt() -> Entry:
    crystal = Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]
    )
    return Entry("salt", "salt.cif", crystal, {"gap": 5.0})


@pytest.fixture
def survey(predictor, salt):
    return measure_convergence(predictor, [salt], limits=LIMITS)


def test_each_step_is_the_prediction_at_that_size(make_predictor, salt, survey):
    for _, row in survey.steps.iterrows():
        settings = f"data.environment={row['environment']}"
        size = f"data.max_atoms={row['max_atoms']}"
        value = make_predictor(settings, size).predict(salt.content)["gap [eV]"][0]
        assert row["gap [eV]"] == pytest.approx(value, abs=1e-6)


def test_changes_are_from_the_largest_of_the_same_environment(survey):
    for _, rows in survey.steps.groupby("environment"):
        assert rows["is reference"].tolist() == [False, False, True]
        expected = rows["gap [eV]"] - rows["gap [eV]"].iloc[-1]
        np.testing.assert_allclose(rows["change of gap [eV]"], expected, atol=1e-12)
        assert rows["change of sites in block 2"].iloc[-1] == 0
        assert rows["change of sites in block 2"].iloc[0] > 0


@pytest.mark.parametrize(
    ("form", "blocks"), [("residual", ["2"]), ("published", ["1", "2"])]
)
def test_vectors_are_those_of_the_blocks_that_are_read_out(
    make_predictor, salt, form, blocks
):
    settings = (f"model.form={form}", "model.locality=null", "model.width=25")
    predictor = make_predictor(*settings)
    steps = measure_convergence(predictor, [salt], limits=LIMITS[:2]).steps
    name = "change of sites in block "
    assert [c.removeprefix(name) for c in steps if c.startswith(name)] == blocks
    sites = []
    for limit in LIMITS[:2]:
        sized = make_predictor(*settings, f"data.max_atoms={limit}")
        vectors = sized.network.embed(sized.encoder.graph(salt.content)).sites
        sites.append(vectors.unflatten(1, (len(blocks), -1))[:, -1])
    small, large = sites
    sphere = steps[(steps["environment"] == "sphere") & ~steps["is reference"]]
    expected = ((small - large).norm() / large.norm()).item()
    assert sphere[f"{name}2"].item() == pytest.approx(expected, rel=1e-5)


def test_boxes_are_described(survey):
    rows = survey.steps.set_index(["environment", "max_atoms"])
    box = rows.loc[("supercell", 10)]  # 1 x 2 x 2 of the primitive cell
    edge = 5.64 / np.sqrt(2)
    assert box["atoms"] == 8
    assert box["aspect ratio"] >= 1
    assert 0 < box["inscribed radius [A]"] <= edge
    sphere = rows.loc[("sphere", 40)]
    volume = 4 / 3 * np.pi * sphere["inscribed radius [A]"] ** 3
    assert volume == pytest.approx(40 * 5.64**3 / 8, rel=1e-6)


def test_inscribed_sphere_touches_the_nearest_faces():
    sheared = np.array([[4.0, 0, 0], [3.0, 4.0, 0], [0, 0, 10.0]])
    assert inscribed_radius(sheared) == pytest.approx(1.6)  # 4 x 4 / 5 apart


def test_steps_that_do_not_fit_are_listed_with_their_reason(predictor, salt, triclinic):
    bad = Failure("bad.cif", "bad", "read", "no atoms", "repair it")
    kyanite = Entry("kyanite", "kyanite.cif", triclinic)
    entries = [salt, bad, kyanite]
    result = measure_convergence(predictor, entries, limits=(9, 10, 40), max_pairs=900)
    left = result.skipped.set_index(["id", "environment", "max_atoms"])["reason"]
    assert left.loc[("salt", "supercell", 10)] == "the supercell of the limit before"
    assert left.loc[("kyanite", "supercell", 10)] == "the primitive cell has 32 sites"
    assert "1280 pairs, more than max_pairs=900" in left.loc[("kyanite", "sphere", 40)]
    assert "no atoms" in left.tolist()


def test_nothing_to_compare_is_an_error(predictor, salt):
    with pytest.raises(DataError, match="no crystal fits into two sizes"):
        measure_convergence(predictor, [salt], limits=(20, 200_000_000))
    with pytest.raises(ConfigError, match=r"expected two sizes .*, got \[20, 20\]"):
        measure_convergence(predictor, [salt], limits=(20, 20))


def test_untrained_model_has_other_weights_and_the_same_units(predictor):
    random = untrained(predictor, seed=3)
    assert random.description is predictor.description
    weights = [item.model.readout.linear.weight for item in (random, predictor)]
    assert not weights[0].equal(weights[1].float())
    again = untrained(predictor, seed=3).model.readout.linear.weight
    assert weights[0].equal(again)


def test_draw_keeps_the_order_and_depends_on_the_seed_alone():
    entries = [Failure("", str(number), "", "", "") for number in range(100)]
    first = [int(entry.id) for entry in choose_entries(iter(entries), 10, seed=1)]
    assert first == [int(entry.id) for entry in choose_entries(entries, 10, seed=1)]
    assert first == sorted(set(first))
    assert first != [int(entry.id) for entry in choose_entries(entries, 10, seed=2)]
    assert choose_entries(entries, 500) == entries


def made_steps() -> pd.DataFrame:
    """Ten crystals whose change falls as 8 / N, and their errors."""
    rows = [
        {
            "id": crystal,
            "environment": "sphere",
            "max_atoms": limit,
            "inscribed radius [A]": float(radius),
            "is reference": limit == 64,
            "change of gap": 8 / limit if limit < 64 else 0.0,
            "gap": 1 + abs(limit - 16),
            "known gap": 1.0,
        }
        for crystal in range(10)
        for limit, radius in ((8, 3), (16, 4), (32, 5), (64, 6))
    ]
    return pd.DataFrame(rows)


def test_rule_is_the_smallest_size_from_which_on_all_are_good():
    rule = find_rule(made_steps(), "gap", "sphere", tolerance=0.5)
    assert (rule.max_atoms, rule.radius) == (16, 4.0)
    assert "from 16 atoms and an inscribed radius of 4 A on" in rule.sentence()


def test_rule_that_no_size_meets_says_so():
    rule = find_rule(made_steps(), "gap", "sphere", tolerance=0.01)
    assert (rule.max_atoms, rule.radius) == (None, None)
    assert rule.sentence().startswith("sphere: no size is enough for 90%")


def test_changes_are_summed_up_without_the_references():
    table = change_table(made_steps(), ["change of gap"])
    assert table["max_atoms"].tolist() == [8, 16, 32]
    assert table["median"].tolist() == [1, 0.5, 0.25]


def test_errors_compare_the_same_crystals_at_each_size():
    steps = made_steps()
    partial = steps.drop(index=steps.index[-1])  # the last crystal lacks a size
    table = error_table(partial, ["gap"])
    assert table["crystals"].tolist() == [9] * 4
    assert table["mae"].tolist() == [8, 0, 16, 48]
    assert "is smallest at 16 atoms (0; 48 at 64; 9 crystals)" in best_sizes(table)[0]


def test_largest_size_is_not_compared_with_itself():
    table = error_table(made_steps().query("max_atoms <= 16"), ["gap"])
    (sentence,) = best_sizes(table)
    assert sentence.endswith("is smallest at 16 atoms (0; 10 crystals)")


def test_errors_compare_the_same_crystals_in_both_environments():
    steps = made_steps()
    steps.loc[steps["id"] == 9, "gap"] = 1000.0  # would be seen in any mean
    boxes = steps.assign(environment="supercell")
    partial = boxes.drop(index=boxes.index[-4])  # it lacks the smallest supercell
    table = error_table(pd.concat([steps, partial]), ["gap"])
    assert table["environment"].tolist() == ["sphere"] * 4 + ["supercell"] * 4
    assert table["crystals"].tolist() == [9] * 8
    assert table["mae"].tolist() == [8, 0, 16, 48] * 2


def test_long_cells_are_told_from_cubic_ones(predictor):
    edges = {"cube": (3.0, 3.0, 3.0), "long": (3.0, 3.0, 15.0)}
    crystals = [
        Entry(name, name, Structure(Lattice.orthorhombic(*abc), ["Na"], [[0] * 3]), {})
        for name, abc in edges.items()
    ]
    steps = measure_convergence(predictor, crystals, limits=(8, 64)).steps
    boxes = steps[(steps["environment"] == "supercell") & ~steps["is reference"]]
    boxes = boxes.set_index("id")
    table = shape_table(steps, "change of gap [eV]").set_index("shape")
    assert table["boxes"].to_dict() == {"nearly cubic": 1, "oblong": 1}
    for name, shape in (("cube", "nearly cubic"), ("long", "oblong")):
        change = abs(boxes.loc[name, "change of gap [eV]"])
        assert table.loc[shape, "median"] == pytest.approx(change) != 0


def test_shapes_are_summed_up_by_aspect_and_radius():
    steps = pd.DataFrame(
        [
            ("supercell", 1.0, 3.2, 0.1, False),
            ("supercell", 1.2, 3.9, -0.3, False),
            ("supercell", 1.25, 3.5, 0.5, False),
            ("supercell", 4.0, 3.5, 0.7, False),
            ("supercell", 4.0, 4.0, -0.9, False),
            ("supercell", 1.0, 9.0, 0.0, True),
            ("sphere", 1.0, 3.5, 5.0, False),
        ],
        columns=[
            "environment", "aspect ratio", "inscribed radius [A]", "change of gap",
            "is reference",
        ],
    )  # fmt: skip
    table = shape_table(steps, "change of gap")
    named = ["shape", "radius from [A]", "radius to [A]", "boxes", "median"]
    assert table[named].to_numpy().tolist() == [
        ["nearly cubic", 3, 4, 2, pytest.approx(0.2)],
        ["longer", 3, 4, 1, 0.5],
        ["oblong", 3, 4, 1, 0.7],
        ["oblong", 4, 5, 1, 0.9],
    ]
    assert table["quantile 0.9"].iloc[0] == pytest.approx(0.28)


def test_tolerance_is_a_tenth_of_the_error_or_a_hundredth_of_the_range(predictor):
    description = predictor.description
    metrics = {"targets": {"gap": {"test": {"mae": 0.5}}}}
    described = description.model_copy(update={"metrics": metrics})
    assert default_tolerance(described, "gap") == 0.05
    ranged = description.model_copy(update={"target_ranges": {"gap": (1.0, 9.0)}})
    assert default_tolerance(ranged, "gap") == 0.08


def test_figures_and_tables_are_written(predictor, salt, tmp_path):
    report = converge(predictor, [salt], tmp_path / "out", limits=LIMITS)
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(report.files)
    assert len(pd.read_csv(tmp_path / "out" / "steps.csv")) == 2 * len(LIMITS)
    assert len(report.rules) == len(report.best) == 2


def test_one_crystal_is_one_line(survey, tmp_path, drawn):
    two = pd.concat([survey.steps, survey.steps.assign(id="other")])
    for steps in (two, survey.steps):
        plot_changes(tmp_path / "a.png", steps, ["change of gap [eV]"], None)
    many, result = ({line.get_label() for line in f.axes[0].lines} for f in drawn)
    assert {"a crystal", "median", "quantile 0.9"} <= many
    assert result & {"a crystal", "median", "the one crystal"} == {"the one crystal"}
