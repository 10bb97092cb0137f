import numpy as np
import pytest

from pyg_sitenet.config import Config
from pyg_sitenet.errors import ConfigError
from pyg_sitenet.model_file import ModelDescription
from pyg_sitenet.uncertainty import (
    Calibration,
    calibrate,
    measure_coverage,
    measure_sets,
)
from pyg_sitenet.uncertainty.calibration import conformal_rank
from pyg_sitenet.uncertainty.conformal import (
    calibrate_classes,
    prediction_set,
    spread_floor,
)


def test_half_width_is_the_score_of_the_conformal_rank():
    truth = np.arange(1.0, 10.0)  # nine crystals, errors 1 to 9
    result = calibrate({"gap": truth}, {"gap": np.zeros(9)})
    # ceil(10 * 0.9) = 9, ceil(10 * 0.5) = 5
    assert result.half_widths("gap", 0.9).of(0.0) == 9.0
    assert result.half_widths("gap", 0.5).of(0.0) == 5.0


@pytest.mark.parametrize(
    ("number", "level", "rank"), [(9, 0.9, 9), (19, 0.95, 19), (99, 0.29, 29)]
)
def test_rank_is_not_raised_by_rounding(number, level, rank):
    assert conformal_rank(number, level) == rank


def test_interval_grows_with_the_spread_of_the_members():
    spread = np.array([1.0, 1.0, 3.0])
    result = calibrate(
        {"gap": np.array([1.0, 2.0, 9.0])},
        {"gap": np.zeros(3)},
        {"gap": spread},
        {"gap": 1.0},
    )
    assert result.scores["gap"] == ((0.5, 1.0, 2.25),)
    assert result.half_widths("gap", 0.75).of(0.0, spread=3.0) == 2.25 * 4.0
    assert result.half_widths("gap", 0.75).of(0.0, spread=0.0) == 2.25


def test_crystals_without_a_value_do_not_calibrate():
    truth = np.array([1.0, np.nan, 3.0])
    assert calibrate({"n": truth}, {"n": np.zeros(3)}).scores["n"] == ((1.0, 3.0),)


def test_prediction_that_is_not_finite_is_infinitely_wrong():
    predicted = np.array([*np.zeros(9), np.inf, np.nan])
    truth = np.array([*np.arange(1.0, 10.0), 2.0, np.nan])
    result = calibrate({"n": truth}, {"n": predicted})
    assert result.scores["n"] == ((*np.arange(1.0, 10.0), np.inf),)
    description = ModelDescription(config=Config(), targets=("n",), calibration=result)
    read = ModelDescription.model_validate_json(
        description.model_dump_json()
    )  # as in a file
    assert read.calibration == result
    assert result.half_widths("n", 0.8).of(0.0) == 9.0
    with pytest.raises(ConfigError, match=r"0\.9 the interval is infinite, since pred"):
        result.half_widths("n", 0.9).of(0.0)
    levels = [item["level"] for item in measure_coverage(result, "n", truth, truth)]
    assert levels == [0.5, 0.6, 0.7, 0.8]


def test_floor_is_larger_for_few_members_and_never_zero():
    spread = np.array([0.2, 0.4, 9.0])
    floors = [spread_floor(spread, members) for members in (2, 3, 5, 10)]
    assert floors == pytest.approx([3.2, 0.8, 0.2, 0.2])
    assert spread_floor(np.zeros(3), 5) == 1.0
    assert spread_floor(np.empty(0), 5) == 1.0


@pytest.mark.parametrize("level", [0.0, 1.0, 90.0, -1.0, float("nan")])
def test_impossible_level_is_named(level):
    result = Calibration(scores={"gap": (1.0,)}, floors={"gap": 1.0})
    with pytest.raises(ConfigError, match="between 0 and 1, got"):
        result.half_widths("gap", level).of(0.0)


def test_too_few_calibration_crystals_are_named():
    result = Calibration(scores={"gap": (1.0,) * 8}, floors={"gap": 1.0})
    message = r"gap: the level 0\.9 needs 9 calibration crystals, the model has 8;"
    with pytest.raises(ConfigError, match=message):
        result.half_widths("gap", 0.9).of(0.0)


def test_target_without_calibration_is_named():
    result = Calibration(scores={"gap": (1.0,)}, floors={"gap": 1.0})
    with pytest.raises(ConfigError, match=r"n: no intervals .*calibrated: gap.*train"):
        result.half_widths("n", 0.5).of(0.0)


@pytest.mark.parametrize("is_ensemble", [False, True])
def test_coverage_is_the_nominal_one_whatever_the_model(is_ensemble):
    """Averaged over calibrations, of a poor model with heavy-tailed errors."""
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(300):
        size = rng.gamma(1.0, size=150)
        truth = rng.standard_t(2, size=150) * size
        spread = {"y": size * rng.uniform(0.5, 2, 150)} if is_ensemble else None
        truths = {"y": truth[:99]}
        zero = {"y": np.zeros(99)}
        first = None if spread is None else {"y": spread["y"][:99]}
        result = calibrate(truths, zero, first, {"y": 0.1} if is_ensemble else None)
        rest = None if spread is None else spread["y"][99:]
        rows = measure_coverage(result, "y", truth[99:], np.zeros(51), rest)
        covered.append(next(row["coverage"] for row in rows if row["level"] == 0.9))
    # 0.9 exactly is expected of 99 crystals; the mean of 300 errs by about 0.003.
    assert np.mean(covered) == pytest.approx(0.9, abs=0.01)


def _metals_and_insulators(number, seed):
    """Return truth and predictions of which half are metals, hardly ever wrong."""
    random = np.random.default_rng(seed)
    predicted = np.where(
        random.random(number) < 0.5, 0.0, random.uniform(0.5, 6, number)
    )
    return predicted + predicted / 4 * random.standard_normal(number), predicted


def test_coverage_is_the_nominal_one_at_small_and_at_large_predictions():
    truth, predicted = _metals_and_insulators(2_000, 0)
    result = calibrate({"gap": truth}, {"gap": predicted})
    assert result.scores["gap"][0][-1] == 0.0  # the metals are a group of their own
    assert len(result.edges["gap"]) == 3  # and insulators three
    new, given = _metals_and_insulators(20_000, 1)
    halves = np.array([result.half_widths("gap", 0.9).of(x) for x in given])
    inside = np.abs(new - given) <= halves
    groups = np.digitize(given, result.edges["gap"])
    shares = [inside[groups == k].mean() for k in (1, 2, 3)]
    # Of some 300 crystals a group: 1.7 % is the spread of its bound.
    assert shares == pytest.approx([0.9] * 3, abs=0.05)
    # One bound for all: metals are always inside, and large gaps too rarely.
    alike = np.quantile(np.abs(truth - predicted), 0.9)
    assert (np.abs(new - given) <= alike)[given > 4].mean() < 0.8


def test_level_that_needs_more_than_a_group_has_takes_all_groups_together():
    predicted = np.arange(240.0)
    result = calibrate({"gap": 2 * predicted}, {"gap": predicted})
    assert [len(scores) for scores in result.scores["gap"]] == [80] * 3
    nine, high = (result.half_widths("gap", level) for level in (0.9, 0.99))
    assert [nine.of(x) for x in (0.0, 120.0, 239.0)] == [72.0, 152.0, 232.0]
    assert high.of(0.0) == high.of(239.0) == 238.0  # 99 crystals carry it, 80 do not
    message = r"the level 0\.999 needs 999 calibration crystals, the model has 240;"
    with pytest.raises(ConfigError, match=message):
        result.half_widths("gap", 0.999)


def test_unlike_crystal_has_at_least_the_width_of_all_groups_together():
    truth, predicted = _metals_and_insulators(2_000, 0)
    result = calibrate({"gap": truth}, {"gap": predicted})
    rank = conformal_rank(2_000, 0.9)
    together = float(np.sort(np.abs(truth - predicted))[rank - 1])
    assert result.half_widths("gap", 0.9).of(0.0) == 0.0
    # It may be no metal after all.
    assert result.half_widths("gap", 0.9).of(0.0, widening=2.0) == 2 * together
    largest = result.half_widths("gap", 0.9).of(6.0)
    assert largest > together
    assert result.half_widths("gap", 0.9).of(6.0, widening=2.0) == 2 * largest


def test_interval_reaches_no_further_than_the_training_values_span():
    truth = np.arange(1.0, 10.0)
    result = calibrate({"gap": truth}, {"gap": np.zeros(9)})
    widths = result.half_widths("gap", 0.9, (0.0, 20.0))
    assert widths.of(3.0, widening=2.0) == 18.0  # as it is without
    assert widths.of(3.0, widening=1e6) == 20.0
    assert widths.of(-5.0, widening=1e6) == 25.0  # all of them are inside
    narrow = result.half_widths("gap", 0.9, (0.0, 1.0))
    assert narrow.of(0.5, widening=1e6) == narrow.of(0.5) == 9.0  # not below others
    rows = measure_coverage(
        result, "gap", truth, truth, None, np.full(9, 1e6), (0.0, 20.0)
    )
    assert {row["mean_width"] for row in rows} == {40.0}


def test_level_that_is_no_number_is_named():
    result = calibrate({"gap": np.arange(1.0, 10.0)}, {"gap": np.zeros(9)})
    with pytest.raises(ConfigError, match=r"a number between 0 and 1, got '0\.9'"):
        result.half_widths("gap", "0.9")
    assert result.half_widths("gap", np.float32(0.5)).of(0.0) == 5.0


def test_level_is_checked_once_for_all_crystals(monkeypatch):
    result = calibrate({"gap": np.arange(1.0, 10.0)}, {"gap": np.zeros(9)})
    checks = []
    check = Calibration.check
    monkeypatch.setattr(Calibration, "check", lambda *a: checks.append(a) or check(*a))
    measure_coverage(result, "gap", np.zeros(500), np.zeros(500))
    assert len(checks) == 5  # levels


def test_groups_need_enough_crystals_and_the_sum_is_all():
    truth, predicted = _metals_and_insulators(99, 0)
    few = calibrate({"gap": truth}, {"gap": predicted + np.arange(99) * 1e-9})
    assert (len(few.scores["gap"]), few.edges) == (1, {})
    for number, sizes in {
        100: [50] * 2, 150: [50] * 3, 599: [199, 200, 200], 600: [150] * 4,
        750: [150] * 5,
    }.items():  # fmt: skip
        values = np.arange(float(number))
        many = calibrate({"gap": values}, {"gap": values})
        assert [len(scores) for scores in many.scores["gap"]] == sizes
        assert many.edges["gap"] == tuple(np.cumsum(sizes[:-1]))
    alike = calibrate({"gap": values}, {"gap": np.zeros(750)})
    assert (len(alike.scores["gap"][0]), alike.edges) == (750, {})


def test_calibration_of_an_earlier_file_is_one_group():
    read = Calibration.model_validate({"scores": {"n": [1, 2]}, "floors": {"n": 1}})
    assert read == Calibration(scores={"n": ((1.0, 2.0),)}, floors={"n": 1.0})


def test_measured_coverage_counts_and_says_how_wide():
    result = Calibration(scores={"n": tuple(np.arange(1.0, 20.0))}, floors={"n": 1.0})
    truth = np.array([0.0, 9.0, 11.0, np.nan])
    rows = measure_coverage(result, "n", truth, np.zeros(4))
    half = next(row for row in rows if row["level"] == 0.5)
    assert half == {"level": 0.5, "coverage": 2 / 3, "mean_width": 20.0}
    # 19 crystals carry 95 %, not 99 %.
    assert [row["level"] for row in rows] == [0.5, 0.6, 0.7, 0.8, 0.9, 0.95]


def test_figure_has_a_row_for_each_target(tmp_path):
    from matplotlib.image import imread

    from pyg_sitenet.figures import plot_calibration

    rows = [{"level": 0.5, "coverage": 0.4, "mean_width": 1.0}]
    for name, result in {"one": {"n": rows}, "two": {"n": rows, "gap": rows}}.items():
        counts = dict.fromkeys(result, 30)
        plot_calibration(tmp_path / f"{name}.png", result, counts, {"gap": "eV"})
    heights = [imread(tmp_path / f"{name}.png").shape[0] for name in ("one", "two")]
    assert heights[1] == 2 * heights[0]


def test_figure_of_a_target_that_no_crystal_has(tmp_path):
    from pyg_sitenet.figures import plot_calibration

    plot_calibration(tmp_path / "none.png", {"n": []}, {"n": 0}, {})
    assert (tmp_path / "none.png").read_bytes().startswith(b"\x89PNG")


def test_sets_of_classes_by_hand():
    # The scores are 0.1, 0.2, 0.5, and a crystal of unknown class has none.
    probabilities = np.array(
        [[0.9, 0.05, 0.05], [0.1, 0.8, 0.1], [0.3, 0.2, 0.5], [0.4, 0.3, 0.3]]
    )
    truth = np.array([0.0, 1.0, 2.0, np.nan])
    result = calibrate_classes({"kind": truth}, {"kind": probabilities})
    [scores] = result.scores["kind"]
    assert scores == pytest.approx((0.1, 0.2, 0.5))
    assert result.half_widths("kind", 0.5).of(0.0) == pytest.approx(0.2)
    bound = result.half_widths("kind", 0.75).of(0.0)
    new = np.array([[0.55, 0.45, 0.0], [0.5, 0.5, 0.0], [0.4, 0.3, 0.3]])
    inside = prediction_set(new, bound)
    # The most probable class is in the set even if none reaches the bound.
    expected = [[True, False, False], [True, True, False], [True, False, False]]
    assert inside.tolist() == expected
    with pytest.raises(ConfigError, match="needs 9 calibration crystals"):
        result.half_widths("kind", 0.9).of(0.0)


def test_sets_of_classes_hold_the_true_one_as_often_as_promised():
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(4) / 2, 20_000)
    uniform = random.random((len(probabilities), 1))
    truth = (probabilities.cumsum(axis=1) < uniform).sum(axis=1).clip(max=3)
    half = len(truth) // 2
    calibration, new = truth[:half].astype(float), truth[half:].astype(float)
    result = calibrate_classes({"kind": calibration}, {"kind": probabilities[:half]})
    rows = measure_sets(result, "kind", new, probabilities[half:])
    for row in rows:
        # One set too large is possible: the most probable class is always in it.
        assert row["coverage"] >= row["level"] - 0.02
        if row["level"] >= 0.8:
            assert row["coverage"] == pytest.approx(row["level"], abs=0.02)
    assert measure_sets(result, "kind", new * np.nan, probabilities[half:]) == []


def test_spread_without_a_floor_is_refused():
    residuals = np.arange(50.0)
    with pytest.raises(ValueError, match="`floors` must be given beside `spread`"):
        calibrate({"t": residuals}, {"t": 0 * residuals}, {"t": residuals})


def test_as_many_predictions_as_values_are_asked_for():
    calibration = calibrate({"t": [1.0, 2.0]}, {"t": [1.0, 3.0]})
    assert calibration.scores == {"t": ((0.0, 1.0),)}
    with pytest.raises(
        ValueError, match=r"'t' must have as many .* \[2\] values and \[1\]"
    ):
        calibrate({"t": [1.0, 2.0]}, {"t": [1.0]})
