"""Prepared crystals as a source: the graphs that were made, for who asks the same."""

import json

import pytest
import torch

from pyg_sitenet.config import DataConfig
from pyg_sitenet.data.graph.encoder import Encoder, Preencoded
from pyg_sitenet.data.prepare import prepare
from pyg_sitenet.data.records import Failure
from pyg_sitenet.data.sources import open_source
from pyg_sitenet.errors import ConfigError, DataError

SETTINGS = {"max_atoms": 8, "workers": 1}


@pytest.fixture
def config(tmp_path):
    """Four caesium halides with two numbers, a label and a group; one has no cell."""
    rows = []
    for k, symbol in enumerate(["F", "Cl", "Br", "I"]):
        structure = {
            "lattice": [[4 + k, 0, 0], [0, 4 + k, 0], [0, 0, 4 + k]],
            "species": ["Cs", symbol],
            "frac_coords": [[0, 0, 0], [0.5, 0.5, 0.5]],
        }
        row = {"id": f"c{k}", "structure": structure, "gap": 5.0 - k, "n": k}
        rows.append(row | {"kind": "ab"[k % 2], "mine": f"m{k // 2}"})
    rows[2]["structure"] = {}
    path = tmp_path / "table.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return DataConfig(
        source=str(path),
        targets=("n", "gap", "kind"),
        classes={"kind": ()},
        units={"gap": "eV"},
        split="group:mine",
        **SETTINGS,
    )


@pytest.fixture
def folder(config, tmp_path):
    prepare(config, tmp_path / "prepared")
    return tmp_path / "prepared"


def _items(folder, targets=(), **options):
    return list(open_source(folder, targets, **options).entries())


def test_source_tells_targets_units_labels_and_count(folder):
    source = open_source(folder)
    assert list(source.available) == ["n", "gap"]
    assert source.labels == ("kind",)
    assert source.units == {"gap": "eV"}
    assert source.count == 4


def test_items_are_graphs_that_exist_then_failures(folder):
    *graphs, failure = _items(folder, ["gap"])
    assert all(isinstance(item, Preencoded) for item in graphs)
    assert [(item.id, item.targets) for item in graphs] == [
        ("c0", {"gap": 5.0}),
        ("c1", {"gap": 4.0}),
        ("c3", {"gap": 2.0}),
    ]
    assert isinstance(failure, Failure)
    assert (failure.id, failure.stage) == ("c2", "read")


def test_graph_is_that_of_the_encoder(folder, config):
    encoder = Encoder.from_config(config)
    source = open_source(config.source, ["n", "gap"])
    made = encoder(next(iter(source.entries())))
    stored = encoder(_items(folder, ["n", "gap"])[0])
    assert (stored.id, stored.origin) == (made.id, made.origin)
    assert stored.targets == made.targets
    for key in ("z", "x", "edge_index", "edge_attr", "cell"):
        assert torch.equal(stored.data[key], made.data[key])


def test_encoder_of_other_settings_is_refused(folder):
    item = _items(folder)[0]
    encoder = Encoder.from_config(DataConfig(max_atoms=9))
    with pytest.raises(ConfigError, match=r"prepared with data\.max_atoms = 8, not 9"):
        encoder(item)


def test_classes_are_those_it_was_prepared_with(folder):
    options = {"classes": {"kind": ("a", "b")}}
    targets = [item.targets["kind"] for item in _items(folder, ["kind"], **options)[:3]]
    assert targets == [0.0, 1.0, 1.0]
    message = (
        r"'kind' was prepared as the classes \['a', 'b'\], asked for are \['b', 'a"
    )
    with pytest.raises(ConfigError, match=message):
        open_source(folder, ["kind"], classes={"kind": ("b", "a")})


def test_number_is_no_class(folder):
    with pytest.raises(ConfigError, match="'n' was prepared as numbers, asked for are"):
        open_source(folder, ["n"], classes={"n": ("0", "1")})


def test_group_is_that_it_was_prepared_with(folder, config):
    item = _items(folder, ["n"], group="mine")[0]
    assert Encoder.from_config(config)(item).data.group == "m0"
    message = r"data\.split = 'group:mine', not 'group:kind'"
    with pytest.raises(ConfigError, match=message):
        open_source(folder, ["n"], group="kind")


def test_missing_target_is_named(folder):
    with pytest.raises(DataError, match=r"no target 'mass' \(available: n, gap, kind"):
        open_source(folder, ["mass"])


def test_order_of_targets_is_that_of_the_question(folder):
    assert list(_items(folder, ["gap", "n"])[0].targets.items()) == [
        ("gap", 5.0),
        ("n", 0.0),
    ]
