"""What the network is made of and reads of a graph, checked before it computes."""

from __future__ import annotations

import torch
from torch_geometric.data import Data

from pyg_sitenet.config import ModelConfig
from pyg_sitenet.data.transforms.coulomb_pairs import check_numbers
from pyg_sitenet.nn.conv.inputs import check_counts
from pyg_sitenet.nn.embedding import NUM_EDGE_FEATURES, NUM_PROPERTIES
from pyg_sitenet.nn.fast.plain_gradients import is_transformed
from pyg_sitenet.nn.layers import require_positive


def check_sizes(config: ModelConfig | None, num_targets: int) -> None:
    """Refuse what is no configuration of a network, or a number of targets below 1.

    Raises:
        TypeError: If it is another configuration or a name.
        ValueError: If there are no targets.
    """
    if not isinstance(config, ModelConfig | None):
        raise TypeError(
            "`config` must be a ModelConfig, such as that of `load_preset(name).model`,"
            f" got {type(config).__name__}; SiteNet.from_preset takes names"
        )
    require_positive(num_targets=num_targets)


def check_graph(graph: Data) -> None:
    """Refuse a graph that lacks a field, or has one of another shape.

    Raises:
        ValueError: For the first such field.
    """
    for name in ("z", "x", "edge_index", "edge_attr"):
        if graph.get(name) is None:
            raise ValueError(
                f"`data` must have `{name}`; `encode_structure`, CrystalDataset and "
                "`Predictor.graph` make graphs with all that SiteNet reads"
            )
    if not is_transformed():  # shapes are those of a part, or not known yet
        _check_shapes(graph)
        _check_numbers(graph)


def _check_shapes(graph: Data) -> None:
    index = graph.edge_index
    is_index = index.dim() == 2 and len(index) == 2
    num_sites = len(graph.x)
    num_pairs = index.size(1) if is_index else len(graph.edge_attr)
    shapes = {
        "z": (num_sites,),
        "x": (num_sites, NUM_PROPERTIES),
        "edge_index": (2, num_pairs),
        "edge_attr": (num_pairs, NUM_EDGE_FEATURES),
        "edge_multiplicity": (num_pairs,),
        "edge_weight": (num_pairs,),
        "site_multiplicity": (num_sites,),
        "batch": (num_sites,),
    }
    for name, shape in shapes.items():
        value = graph.get(name)
        if value is not None and value.shape != shape:
            raise ValueError(
                f"`{name}` must have shape {[*shape]} in a graph of {num_sites} sites "
                f"and {num_pairs} pairs, got {[*value.shape]}"
            )


def _check_numbers(graph: Data) -> None:
    for name in ("z", "edge_index"):
        dtype = graph[name].dtype
        if dtype.is_floating_point or dtype.is_complex or dtype == torch.bool:
            raise ValueError(f"`{name}` must hold whole numbers, got {dtype}")
    if graph.z.device.type == "cpu":  # a GPU would have to wait
        check_numbers(graph.z)
        names = ("edge_weight", "edge_multiplicity", "site_multiplicity")
        check_counts(**{name: graph.get(name) for name in names})


def num_graphs_of(graph: Data) -> int:
    """Return how many crystals a batch has; one that is a plain Data does not say."""
    known = getattr(graph, "num_graphs", None)
    if known is not None:
        return int(known)
    return int(graph.batch.max()) + 1 if len(graph.batch) else 0
