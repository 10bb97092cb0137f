"""What each site of a crystal attends to, atom by atom, for the 3-D view."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
import torch
from ase.data import chemical_symbols
from numpy.typing import NDArray
from pymatgen.core import Structure
from torch_geometric.data import HeteroData

from pyg_sitenet.data.geometry.primitive import to_primitive
from pyg_sitenet.data.graph.encoder import Encoder
from pyg_sitenet.data.structure.load import reduced_formula
from pyg_sitenet.errors import DataError, SiteNetWarning
from pyg_sitenet.prediction import Predictor

MAX_PAIRS = 30_000
"""Pairs that a view may hold: more would make the page slow and large."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_CORNERS = np.array(list(product((0, 1), repeat=3)), dtype=np.float64)


@dataclass(frozen=True)
class Surroundings:
    """The atoms that one site attends to, in the order of their distance.

    Attributes:
        sender: Unique site that each atom is an image of, ``[P]``.
        position: Cartesian, angstrom, nearest image to the site, ``[P, 3]``.
        distance: Angstrom, ``[P]``; 0 for the site itself.
        attention: Weight of each atom, ``[blocks, heads, P]``; sums to 1 over atoms.
    """

    sender: Ints
    position: Floats
    distance: Floats
    attention: Floats


@dataclass(frozen=True)
class CrystalView:
    """A crystal as the viewer shows it.

    Attributes:
        id: Name of the crystal.
        formula: Reduced formula.
        elements: Symbol of each unique site.
        cell: Primitive lattice vectors in rows, angstrom, ``[3, 3]``.
        surroundings: Of each unique site.
        values: Predicted and known values, by heading.
    """

    id: str
    formula: str
    elements: list[str]
    cell: Floats
    surroundings: list[Surroundings]
    values: dict[str, float] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return plain lists for the page; lengths have three decimals."""
        return {
            "id": self.id,
            "formula": self.formula,
            "elements": self.elements,
            "corners": np.round(_CORNERS @ self.cell, 3).tolist(),
            "sites": [
                _surroundings_as_json(surroundings)
                for surroundings in self.surroundings
            ],
            "values": {name: _digits(value, 5) for name, value in self.values.items()},
        }


def view_crystal(
    predictor: Predictor,
    structure: Structure,
    id_: str,
    values: dict[str, float] | None = None,
) -> CrystalView:
    """Compute what every site of a crystal attends to.

    Args:
        predictor: The trained model.
        structure: The crystal, any cell.
        id_: Its name.
        values: What to state beside it.

    Raises:
        DataError: If it has more than :data:`MAX_PAIRS` pairs.
        StructureError: If it cannot be encoded.
    """
    data = predictor.description.config.data
    dtype = next(predictor.network.parameters()).dtype
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SiteNetWarning)  # the table of crystals has it
        graph = Encoder.from_config(data).graph(structure, unfold=True, dtype=dtype)
    pairs = graph["atom", "interacts", "site"].num_edges
    if pairs > MAX_PAIRS:
        raise DataError(
            f"{id_}: {pairs} pairs are too many for the 3-D view (at most {MAX_PAIRS}, "
            "so that the page stays quick)"
        )
    primitive = to_primitive(structure, data.primitive_tolerance)
    frac = np.asarray(primitive.frac_coords)
    return CrystalView(
        id=id_,
        formula=reduced_formula(structure),
        elements=[chemical_symbols[z] for z in graph["site"].z.tolist()],
        cell=np.asarray(primitive.lattice.matrix),
        surroundings=_all_surroundings(predictor, graph, frac),
        values=values or {},
    )


@torch.inference_mode()
def _all_surroundings(
    predictor: Predictor, graph: HeteroData, frac: Floats
) -> list[Surroundings]:
    attention = predictor.network.attention(graph.to(predictor.device))
    alpha = torch.stack(attention.weights).cpu().double().numpy()  # [B, E, H]
    edges = graph["atom", "interacts", "site"]
    distance = edges.edge_attr[:, 0].cpu().double().numpy()
    atom, receiver = edges.edge_index.cpu().numpy()
    cutoff = predictor.network.config.distance_cutoff
    if cutoff is not None:  # the pairs that attend
        near = distance <= cutoff
        distance, atom, receiver = distance[near], atom[near], receiver[near]
    site = graph["atom", "image_of", "site"].edge_index[1].cpu().numpy()[atom]
    image = graph["atom"].image.cpu().numpy()[atom]
    cell = graph.cell[0].cpu().double().numpy()
    box = graph.supercell_matrix[0].cpu().double().numpy() @ cell
    periodic = predictor.description.config.data.environment == "supercell"
    vector = (frac[site] + image - frac[receiver]) @ cell
    vector = _nearest_images(vector, box) if periodic else vector
    all_surroundings = []
    for number in range(len(frac)):
        own = np.flatnonzero(receiver == number)
        own = own[np.argsort(distance[own], kind="stable")]
        all_surroundings.append(
            Surroundings(
                sender=site[own],
                position=frac[number] @ cell + vector[own],
                distance=distance[own],
                attention=alpha[:, own].transpose(0, 2, 1),
            )
        )
    return all_surroundings


def _nearest_images(vectors: Floats, box: Floats) -> Floats:
    """Return the shortest of each vector's images in a periodic box, [P, 3]."""
    steps = np.array(list(product((-2, -1, 0, 1, 2), repeat=3))) @ box
    whole = np.rint(vectors @ np.linalg.inv(box)) @ box
    images = (vectors - whole)[:, None] + steps  # [P, 125, 3]
    nearest = np.linalg.norm(images, axis=2).argmin(axis=1)
    return np.asarray(images[np.arange(len(vectors)), nearest])


def _surroundings_as_json(surroundings: Surroundings) -> dict[str, Any]:
    x, y, z = np.round(surroundings.position, 3).T.tolist()
    return {
        "sender": surroundings.sender.tolist(),
        "x": x,
        "y": y,
        "z": z,
        "distance": np.round(surroundings.distance, 3).tolist(),
        "attention": [
            [[_digits(weight, 4) for weight in head] for head in block]
            for block in surroundings.attention.tolist()
        ],
    }


def _digits(value: float, digits: int) -> float:
    return float(f"{value:.{digits}g}")
