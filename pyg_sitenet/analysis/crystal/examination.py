"""What the prediction for one crystal rests on: every site and every pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pymatgen.core import Structure
from pymatgen.util.coord import pbc_shortest_vectors
from torch import Tensor
from torch_geometric.data import Data, HeteroData

from pyg_sitenet.analysis.crystal.attribution import (
    integrated_gradients,
    pair_gradients,
)
from pyg_sitenet.data.geometry.primitive import to_primitive
from pyg_sitenet.data.geometry.sphere import sphere_radius, taper, taper_slope
from pyg_sitenet.data.graph.encoder import Encoder
from pyg_sitenet.data.structure.load import (
    StructureLike,
    load_structure,
    reduced_formula,
)
from pyg_sitenet.nn.folding import fold
from pyg_sitenet.prediction import Predictor, column_name
from pyg_sitenet.transforms import MergeEquivalent, expand_pairs, expand_sites

_AXES = ("x", "y", "z")


@dataclass(frozen=True)
class CrystalExamination:
    """What :func:`examine_crystal` found.

    Attributes:
        formula: Reduced formula.
        prediction: Predicted value of each target, in its unit.
        primitive: The primitive cell; its sites are those of the tables.
        sites: One row per site of the primitive cell: ``site`` (from 0), ``element``,
            ``oxidation state``, fractional coordinates ``a``, ``b``, ``c``, ``class``
            (equal for sites that are each other's image under a symmetry), the mean
            ``attention received in block <b> head <h>`` from a site (all images
            together; they add up to 1), and for each target its ``integrated gradient
            of <target>`` and ``gradient of <target> along x``, ``y``, ``z`` per
            angstrom.
        pairs: One row per site (``receiver``) and atom of its environment: ``sender``
            (the site that the atom is an image of), their elements, translation of the
            atom (``a``, ``b``, ``c``, in primitive vectors), ``distance [A]``, ``x``,
            ``y``, ``z`` from the receiver in angstrom (to the nearest image in the
            supercell), ``weight`` of the pair in the environment, ``attention in block
            <b> head <h>``, and for each target ``distance gradient of <target>`` (per
            angstrom) and ``weight gradient of <target>``.
    """

    formula: str
    prediction: dict[str, float]
    primitive: Structure
    sites: pd.DataFrame
    pairs: pd.DataFrame


def attention_column(block: int, head: int) -> str:
    """Return the column of a pair's attention in a block and head, from 1."""
    return f"attention in block {block} head {head}"


def examine_crystal(
    predictor: Predictor, structure: StructureLike
) -> CrystalExamination:
    """Take the prediction for a crystal apart.

    Equal sites and pairs are computed once and written out as often as they occur.

    Args:
        predictor: The trained model.
        structure: The crystal: pymatgen structure, ASE atoms or the path of a file.

    Raises:
        StructureError: If it cannot be read or used.
    """
    crystal = load_structure(structure)
    config = predictor.description.config.data
    graph, image = _encode(predictor, crystal)
    merged = MergeEquivalent(keep_origin=True)(graph)
    primitive = to_primitive(crystal, config.primitive_tolerance)
    is_sphere = config.environment == "sphere"
    apart = _vectors(primitive, graph, image, None if is_sphere else graph.frame)
    with torch.inference_mode():
        values = predictor.network(merged.to(predictor.device))[0].tolist()
    targets = predictor.description.outputs
    pairs = _pair_table(predictor, primitive, graph, merged, image, apart)
    return CrystalExamination(
        formula=reduced_formula(crystal),
        prediction=dict(zip(targets, values, strict=True)),
        primitive=primitive,
        sites=_site_table(predictor, primitive, merged, pairs),
        pairs=pairs,
    )


def _encode(predictor: Predictor, crystal: Structure) -> tuple[Data, Tensor]:
    """Return the graph, and the translation of each pair's atom ``[E, 3]``."""
    config = predictor.description.config.data
    unfolded = Encoder.from_config(config).graph(crystal, unfold=True)
    unfolded = cast("HeteroData", unfolded)
    atom = unfolded["atom", "interacts", "site"].edge_index[0]
    graph = fold(unfolded)
    graph.frame = unfolded.supercell_matrix[0]
    return graph, unfolded["atom"].image[atom]


def _vectors(
    primitive: Structure, graph: Data, image: Tensor, matrix: Tensor | None
) -> NDArray[np.float64]:
    """Return the vector from the receiver to the atom, ``[E, 3]`` in angstrom.

    Args:
        primitive: The primitive cell.
        graph: Its graph.
        image: Translation of each pair's atom.
        matrix: Supercell whose nearest image is meant; ``None`` for the atom itself.
    """
    frac, cell = primitive.frac_coords, primitive.lattice.matrix
    sender, receiver = graph.edge_index.numpy()
    steps = frac[sender] + image.numpy() - frac[receiver]
    if matrix is None:
        return np.asarray(steps @ cell)
    supercell = type(primitive.lattice)(matrix.numpy() @ cell)
    inside = steps @ np.linalg.inv(matrix.numpy())
    return np.asarray(pbc_shortest_vectors(supercell, np.zeros((1, 3)), inside)[0])


def _pair_table(
    predictor: Predictor,
    primitive: Structure,
    graph: Data,
    merged: Data,
    image: Tensor,
    apart: NDArray[np.float64],
) -> pd.DataFrame:
    sender, receiver = graph.edge_index.numpy()
    symbols = np.array([site.specie.symbol for site in primitive])
    weight = graph.get("edge_weight", torch.ones(graph.num_edges))
    table = {
        "receiver": receiver,
        "sender": sender,
        "receiver element": symbols[receiver],
        "sender element": symbols[sender],
        **dict(zip("abc", image.numpy().T, strict=True)),
        "distance [A]": graph.edge_attr[:, 0].numpy(),
        **{f"{axis} [A]": apart[:, k] for k, axis in enumerate(_AXES)},
        "weight": weight.numpy(),
    }
    attention = _attention_columns(predictor, merged)
    return pd.DataFrame(table | attention | _gradients(predictor, primitive, merged))


def _attention_columns(
    predictor: Predictor, merged: Data
) -> dict[str, NDArray[np.float64]]:
    """Return the weight of each original pair; 0 beyond a cutoff of the model."""
    cutoff = predictor.network.config.distance_cutoff
    near = torch.ones(merged.num_edges, dtype=torch.bool, device=predictor.device)
    if cutoff is not None:
        near = merged.edge_attr[:, 0] <= cutoff
    columns = {}
    with torch.inference_mode():
        weights = predictor.network.attention(merged).weights
    for block, alpha in enumerate(weights, start=1):
        every = alpha.new_zeros(merged.num_edges, alpha.size(1))
        every[near] = alpha
        original = expand_pairs(merged, every / merged.edge_multiplicity[:, None])
        for head, column in enumerate(original.double().cpu().numpy().T, start=1):
            columns[attention_column(block, head)] = column
    return columns


def _gradients(
    predictor: Predictor, primitive: Structure, merged: Data
) -> dict[str, NDArray[np.float64]]:
    """Return the gradients of each original pair."""
    gradients = pair_gradients(predictor.network, merged)
    if "edge_weight" in merged:  # it falls with the distance
        limit = predictor.description.config.data.max_atoms
        radius = sphere_radius(primitive.lattice.matrix, len(primitive), limit)
        distance = merged.edge_attr[:, 0].double().cpu().numpy()
        slope = taper_slope(distance, radius) / taper(distance, radius)
        slopes = torch.from_numpy(slope).to(gradients.weight.device)[:, None]
        gradients = gradients._replace(
            distance=gradients.distance + gradients.weight * slopes
        )
    receivers = merged.site_multiplicity[merged.edge_index[1]]
    copies = (merged.edge_multiplicity * receivers)[:, None]
    columns = {}
    for kind, values in zip(("distance", "weight"), gradients, strict=True):
        each = expand_pairs(merged, values / copies).cpu().numpy()
        for name, column in zip(predictor.description.outputs, each.T, strict=True):
            columns[f"{kind} gradient of {_name(predictor, name)}"] = column
    return columns


def _site_table(
    predictor: Predictor, primitive: Structure, merged: Data, pairs: pd.DataFrame
) -> pd.DataFrame:
    states = [getattr(site.specie, "oxi_state", None) for site in primitive]
    frac = primitive.frac_coords
    table: dict[str, object] = {
        "site": np.arange(len(primitive)),
        "element": [site.specie.symbol for site in primitive],
        "oxidation state": [
            np.nan if state is None else float(state) for state in states
        ],
        **dict(zip("abc", frac.T, strict=True)),
        "class": merged.merged_site.cpu().numpy(),
    }
    for column in pairs.filter(like="attention in "):
        received = pairs.groupby("sender")[column].sum() / len(primitive)
        table[column.replace("attention in", "attention received in")] = received
    copies = merged.site_multiplicity[:, None]
    added = expand_sites(
        merged, integrated_gradients(predictor.network, merged) / copies
    )
    for number, target in enumerate(predictor.description.outputs):
        name = _name(predictor, target)
        table[f"integrated gradient of {name}"] = added[:, number].cpu().numpy()
        pull = _position_gradient(pairs, f"distance gradient of {name}", len(primitive))
        table |= {f"gradient of {name} along {axis}": column
                  for axis, column in zip(_AXES, pull.T, strict=True)}  # fmt: skip
    return pd.DataFrame(table)


def _position_gradient(
    pairs: pd.DataFrame, column: str, num_sites: int
) -> NDArray[np.float64]:
    """Return the gradient by the position of each site, ``[n, 3]`` per angstrom."""
    apart = pairs[[f"{axis} [A]" for axis in _AXES]].to_numpy()
    distance = pairs["distance [A]"].to_numpy()
    unit = apart / np.where(distance > 0, distance, 1)[:, None]
    pull = unit * pairs[column].to_numpy()[:, None]
    gradient = np.zeros((num_sites, 3))
    np.add.at(gradient, pairs["sender"].to_numpy(), pull)
    np.subtract.at(gradient, pairs["receiver"].to_numpy(), pull)
    return gradient


def _name(predictor: Predictor, target: str) -> str:
    return column_name(target, predictor.description.units)
