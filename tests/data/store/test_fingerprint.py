import functools

import pytest
from torch_geometric import transforms

from pyg_sitenet.data.store.fingerprint import (
    describe,
    fingerprint,
    is_telling,
)


def test_fingerprint_tells_settings_apart():
    prints = [fingerprint({"a": 1}), fingerprint({"a": 2}), fingerprint({"b": 1})]
    assert len(set(prints)) == 3
    assert fingerprint({"a": 1}) == prints[0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (transforms.RadiusGraph(1.0), transforms.RadiusGraph(2.0)),
        # Their repr is the same: the arguments are not in it.
        (
            transforms.AddSelfLoops(fill_value=1.0),
            transforms.AddSelfLoops(fill_value=2.0),
        ),
        (
            transforms.Compose([transforms.AddSelfLoops(fill_value=1.0)]),
            transforms.Compose([transforms.AddSelfLoops(fill_value=2.0)]),
        ),
        (transforms.Compose([]), None),
    ],
)
def test_transforms_with_other_arguments_are_described_differently(one, other):
    assert describe(one) != describe(other)
    assert is_telling(describe(one))


@pytest.mark.parametrize(
    "function", [lambda data: data, functools.partial(lambda data: data)]
)
def test_function_without_a_description_is_not_trusted(function):
    assert not is_telling(describe(function))
    assert not is_telling(describe(transforms.Compose([function])))
