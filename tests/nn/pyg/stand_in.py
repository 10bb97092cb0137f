"""A plugin of pytest: one layer stands in for PyG's in tests of PyG.

``STAND_IN=SiteNetConv pytest -p stand_in`` replaces the classes wherever PyG has them
before its tests import them; any other name takes ``TransformerConv``, to compare.
Of tests with many parameters an even sample runs.
"""

import inspect
import os
import sys
from collections import defaultdict

import torch_geometric.graphgym
import torch_geometric.nn
from torch_geometric.nn import TransformerConv

from pyg_sitenet.nn import SiteNetConv

NAMES = (
    "CGConv",
    "GATConv",
    "GATv2Conv",
    "GCNConv",
    "GENConv",
    "GraphConv",
    "ResGatedGraphConv",
    "SAGEConv",
    "TransformerConv",
)
OPTIONS = ("aggr", "flow", "node_dim")
SAMPLE = 6


def arguments(in_channels, out_channels, heads, concat, edge_dim):
    """Return what a layer is made of, for both layers that stand in."""
    width = out_channels or in_channels
    if BASE is not SiteNetConv:
        return (in_channels, width, heads, concat), {"edge_dim": edge_dim}
    projection = None if concat else width
    return (in_channels, width, edge_dim, heads), {"projection": projection}


BASE = SiteNetConv if os.environ["STAND_IN"] == "SiteNetConv" else TransformerConv
TAKEN = inspect.signature(BASE.forward).parameters


class StandIn(BASE):
    """Takes the arguments of PyG's layers; those it has no use for mean nothing."""

    _alpha = None  # which tests of attention layers look at

    def __init__(
        self,
        in_channels,
        out_channels=None,
        heads=1,
        concat=True,
        edge_dim=None,
        dim=None,
        **options,
    ):
        sizes, others = arguments(
            in_channels, out_channels, heads, concat, edge_dim or dim
        )
        options = {name: options[name] for name in OPTIONS if name in options}
        super().__init__(*sizes, **others, **options)

    def forward(self, x, edge_index, edge_weight=None, edge_attr=None, **options):
        features = edge_weight if edge_attr is None else edge_attr
        if self.edge_dim is None:
            features = None
        options = {name: value for name, value in options.items() if name in TAKEN}
        return super().forward(x, edge_index, features, **options)

    def __repr__(self):
        sizes = f"{self.in_channels}, {self.out_channels}"
        heads = f", heads={self.heads}" if "T" in type(self).__name__ else ""
        return f"{type(self).__name__}({sizes}{heads})"


def replace_layers():
    """Put stand-ins in the place of the layers, wherever PyG has imported them."""
    modules = [
        module for name, module in sys.modules.items() if name.startswith("torch_geom")
    ]
    for name in NAMES:
        original = getattr(torch_geometric.nn, name)
        stand_in = type(name, (StandIn,), {"__module__": __name__})
        setattr(sys.modules[__name__], name, stand_in)  # for pickle
        for module in modules:
            for key in [k for k, v in vars(module).items() if v is original]:
                setattr(module, key, stand_in)


def pytest_collection_modifyitems(items):
    groups = defaultdict(list)
    for item in items:
        groups[item.nodeid.partition("[")[0]].append(item)
    items[:] = [
        item
        for group in groups.values()
        for item in group[:: max(1, len(group) // SAMPLE)]
    ]


replace_layers()
