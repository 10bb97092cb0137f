import math

import numpy as np
import pytest

from pyg_sitenet.data.readers.targets import TargetError, parse_targets


@pytest.mark.parametrize("value", [1.5, "1.5", " 1.5 ", "15e-1"])
def test_numbers_and_their_text_are_read(value):
    assert parse_targets({"gap": value, "other": "x"}, ["gap"]) == {"gap": 1.5}


@pytest.mark.parametrize("value", [None, "", "  ", "N/A", "-"])
def test_missing_target_is_named(value):
    with pytest.raises(TargetError, match="'gap' is missing"):
        parse_targets({"gap": value}, ["gap"])


@pytest.mark.parametrize("value", ["metal", True, [1.0], "1,5", "1_10"])
def test_text_is_no_target(value):
    with pytest.raises(TargetError, match="'gap' is not a number"):
        parse_targets({"gap": value}, ["gap"])


@pytest.mark.parametrize("value", [math.nan, np.float64("inf"), "-inf", "NaN"])
def test_infinite_target_is_refused(value):
    with pytest.raises(TargetError, match=f"'gap' is not finite: {value!s}$"):
        parse_targets({"gap": value}, ["gap"])


def test_target_beyond_single_precision_is_refused():
    with pytest.raises(TargetError, match="'gap' is too large: 1e39"):
        parse_targets({"gap": "1e39"}, ["gap"])


@pytest.mark.parametrize("gap", [None, "", " ", "NaN", math.nan])
def test_crystal_with_one_of_several_targets_is_kept(gap):
    result = parse_targets({"gap": gap, "n": "1.5"}, ["gap", "n", "eps"])
    assert result["n"] == 1.5
    assert math.isnan(result["gap"])
    assert math.isnan(result["eps"])


def test_crystal_without_any_of_several_targets_is_refused():
    with pytest.raises(TargetError, match="none of the targets 'gap', 'n' is known"):
        parse_targets({"gap": "", "n": None}, ["gap", "n"])


@pytest.mark.parametrize("value", ["metal", "inf", "1e39"])
def test_gap_of_one_target_does_not_excuse_another(value):
    with pytest.raises(TargetError, match="'n' is"):
        parse_targets({"gap": "", "n": value}, ["gap", "n"])


def test_label_is_found_whatever_its_capitals():
    classes = {"kind": ("Yes", "No")}
    assert parse_targets({"kind": "yes"}, ["kind"], classes) == {"kind": 0.0}
    apart = {"kind": ("a", "A")}
    assert parse_targets({"kind": "A"}, ["kind"], apart) == {"kind": 1.0}


def test_word_for_nothing_is_a_label_where_it_is_listed():
    classes = {"order": ("none", "FM")}
    for word in ("none", "None"):
        assert parse_targets({"order": word}, ["order"], classes) == {"order": 0.0}
    with pytest.raises(TargetError, match="'order' is missing: none"):
        parse_targets({"order": "none"}, ["order"], {"order": ("AFM", "FM")})
