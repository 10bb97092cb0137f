import functools

import pytest
from torch_geometric import transforms

from pyg_sitenet.data.graph.description import describe, is_telling


@pytest.mark.parametrize(
    ("first", "second"),
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
def test_transforms_with_other_arguments_are_described_differently(first, second):
    assert describe(first) != describe(second)
    assert is_telling(describe(first))


@pytest.mark.parametrize(
    "function", [lambda data: data, functools.partial(lambda data: data)]
)
def test_function_without_a_description_is_not_trusted(function):
    assert not is_telling(describe(function))
    assert not is_telling(describe(transforms.Compose([function])))
