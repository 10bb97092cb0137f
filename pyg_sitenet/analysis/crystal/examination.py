"""What the prediction for one crystal rests on: every site and every pair."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pymatgen.core import Structure
from torch import Tensor
from torch_geometric.data import Data, HeteroData

from pyg_sitenet.analysis.crystal.integrated import integrated_gradients
from pyg_sitenet.analysis.crystal.pair_table import (
    AXES,
    heading,
    pair_table,
    pair_vectors,
)
from pyg_sitenet.data.geometry.primitive import to_primitive
from pyg_sitenet.data.graph.encoder import Encoder
from pyg_sitenet.data.structure.load import (
    StructureLike,
    load_structure,
    reduced_formula,
)
from pyg_sitenet.nn.folding import fold
from pyg_sitenet.prediction import Predictor
from pyg_sitenet.transforms import MergeEquivalent, expand_sites


@dataclass(frozen=True)
class CrystalExamination:
    """What the prediction for a crystal rests on.

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
    graph, image, frame = _encode(predictor, crystal)
    merged = MergeEquivalent(keep_origin=True)(graph)
    primitive = to_primitive(crystal, config.primitive_tolerance)
    is_sphere = config.environment == "sphere"
    apart = pair_vectors(primitive, graph, image, None if is_sphere else frame)
    with torch.inference_mode():
        values = predictor.network(merged.to(predictor.device))[0].tolist()
    targets = predictor.description.outputs
    pairs = pair_table(predictor, primitive, graph, merged, image, apart)
    return CrystalExamination(
        formula=reduced_formula(crystal),
        prediction=dict(zip(targets, values, strict=True)),
        primitive=primitive,
        sites=_site_table(predictor, primitive, merged, pairs),
        pairs=pairs,
    )


def _encode(predictor: Predictor, crystal: Structure) -> tuple[Data, Tensor, Tensor]:
    """Return the graph, the translation of each pair's atom and the supercell.

    They are ``[E, 3]`` and ``[3, 3]``, both in cells.
    """
    config = predictor.description.config.data
    unfolded = Encoder.from_config(config).graph(crystal, unfold=True)
    unfolded = cast("HeteroData", unfolded)
    atom = unfolded["atom", "interacts", "site"].edge_index[0]
    graph = fold(unfolded)
    return graph, unfolded["atom"].image[atom], unfolded.supercell_matrix[0]


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
    total = integrated_gradients(predictor.network, merged)
    merged = copy(merged).cpu()
    added = expand_sites(merged, total / merged.site_multiplicity[:, None])
    for number, target in enumerate(predictor.description.outputs):
        name = heading(predictor, target)
        table[f"integrated gradient of {name}"] = added[:, number].numpy()
        pull = _position_gradient(pairs, f"distance gradient of {name}", len(primitive))
        table |= {f"gradient of {name} along {axis}": column
                  for axis, column in zip(AXES, pull.T, strict=True)}  # fmt: skip
    return pd.DataFrame(table)


def _position_gradient(
    pairs: pd.DataFrame, column: str, num_sites: int
) -> NDArray[np.float64]:
    """Return the gradient by the position of each site, ``[n, 3]`` per angstrom."""
    apart = pairs[[f"{axis} [A]" for axis in AXES]].to_numpy()
    distance = pairs["distance [A]"].to_numpy()
    unit = apart / np.where(distance > 0, distance, 1)[:, None]
    pull = unit * pairs[column].to_numpy()[:, None]
    gradient = np.zeros((num_sites, 3))
    np.add.at(gradient, pairs["sender"].to_numpy(), pull)
    np.subtract.at(gradient, pairs["receiver"].to_numpy(), pull)
    return gradient
