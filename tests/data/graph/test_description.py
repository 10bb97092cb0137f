import functools
import importlib
import linecache
import sys

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


def test_another_code_of_a_class_is_another_description(tmp_path, monkeypatch) -> None:
    file = tmp_path / "marking.py"
    monkeypatch.syspath_prepend(tmp_path)
    texts = []
    for mark in ("1", "22"):
        file.write_text(
            "class Mark:\n    def __init__(self, name):\n        self.name = name\n"
            f"    def __call__(self, graph):\n        return {mark}\n"
        )
        sys.modules.pop("marking", None)
        importlib.invalidate_caches()
        linecache.checkcache()
        texts += [describe(importlib.import_module("marking").Mark("m"))]
    assert texts[0] != texts[1]
    assert all(map(is_telling, texts))
