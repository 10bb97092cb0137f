"""What the network reads of a graph, checked before it computes."""

from __future__ import annotations

from torch_geometric.data import Data

from pyg_sitenet.data.elements import MAX_ATOMIC_NUMBER
from pyg_sitenet.nn.embedding import NUM_EDGE_FEATURES, NUM_PROPERTIES
from pyg_sitenet.nn.fast.plain_gradients import is_transformed


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
    if is_transformed():  # shapes are those of a part, or not known yet
        return
    num_sites, num_pairs = graph.z.size(0), graph.edge_index.size(-1)
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
    if graph.z.device.type == "cpu" and num_sites:  # a GPU would have to be waited for
        low, high = (int(number) for number in graph.z.aminmax())
        if not 1 <= low <= high <= MAX_ATOMIC_NUMBER:
            raise ValueError(
                f"`z` must hold atomic numbers, 1 to {MAX_ATOMIC_NUMBER}, got {low} to "
                f"{high}"
            )
