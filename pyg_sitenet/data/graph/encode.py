"""A crystal as the graph that the model reads: unique sites and pairs of atoms."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from pymatgen.core import Structure
from torch_geometric.data import Data, HeteroData

from pyg_sitenet.data.elements import element_properties
from pyg_sitenet.data.geometry.environment import find_environment
from pyg_sitenet.data.geometry.lattice import Floats, Ints
from pyg_sitenet.data.geometry.primitive import to_primitive
from pyg_sitenet.data.geometry.supercell import Pairs
from pyg_sitenet.data.structure.load import StructureLike, load_structure
from pyg_sitenet.errors import ConfigError, SiteNetWarning

# Files of three or four decimals need no more, angstrom.
_TELLING = 0.01

# 1 angstrom in Bohr radii, with the digits the reference numbers were made with.
BOHR_PER_ANGSTROM = 1.8897543760313331
LOG_COULOMB_FLOOR = 1e-8
LOG_COULOMB_LIMIT = 10.0


def encode_structure(
    structure: StructureLike,
    *,
    max_atoms: int = 100,
    environment: str = "supercell",
    primitive_tolerance: float = 0.003,
    unfold: bool = False,
    dtype: torch.dtype = torch.float32,
) -> Data | HeteroData:
    """Encode a crystal as a graph of its unique sites and the atoms around them.

    Args:
        structure: pymatgen structure, ASE atoms or the path of a file.
        max_atoms: Most atoms that a site attends to.
        environment: How they are chosen; ``"supercell"`` is the paper's, ``"sphere"``
            takes those of the infinite crystal within the radius that holds
            ``max_atoms`` on average, the outermost with weights that fall to 0.
        primitive_tolerance: Angstrom, see :func:`to_primitive`.
        unfold: Return the literal bipartite form, with the atoms of the environment
            as nodes of their own, for inspection; the model reads either.
        dtype: Of all real tensors.

    Returns:
        ``Data`` with n unique sites and E pairs: ``z`` [n] atomic numbers, ``x`` [n, 9]
        element properties in their units and the oxidation state, ``edge_index``
        [2, E] from the site the seen atom is an image of to the site that sees it,
        sorted by the latter, ``edge_attr`` [E, 2] distance in angstrom and logarithm
        of the Coulomb matrix element, ``cell`` [1, 3, 3] primitive lattice vectors in
        rows, ``supercell_matrix`` [1, 3, 3] and ``num_images`` [1]; with the sphere
        also ``edge_weight`` [E].

    Raises:
        StructureError: If the structure cannot be read or used.
        ConfigError: If there is no such environment or a limit is not positive.
    """
    return encode_checked(
        load_structure(structure),
        max_atoms=max_atoms,
        environment=environment,
        primitive_tolerance=primitive_tolerance,
        unfold=unfold,
        dtype=dtype,
    )


def encode_checked(
    structure: Structure,
    *,
    max_atoms: int,
    environment: str,
    primitive_tolerance: float,
    unfold: bool = False,
    dtype: torch.dtype = torch.float32,
) -> Data | HeteroData:
    """Encode a crystal that was checked when it was read.

    Args:
        structure: An ordered crystal.
        max_atoms: See :func:`encode_structure`, as for all others.
        environment: Name of the environment.
        primitive_tolerance: Angstrom.
        unfold: Return the bipartite form.
        dtype: Of all real tensors.

    Raises:
        ConfigError: If there is no such environment or a limit is not positive.
    """
    _check_settings(max_atoms, primitive_tolerance)
    pairs_of = find_environment(environment)
    primitive = _primitive(structure, primitive_tolerance)
    cell = np.array(primitive.lattice.matrix)
    pairs = pairs_of(cell, np.array(primitive.frac_coords), max_atoms)
    sites = _site_tensors(primitive, dtype)
    edge_attr = torch.from_numpy(_edge_features(sites["z"].numpy(), pairs)).to(dtype)
    frame = _frame_tensors(cell, pairs, dtype)
    if unfold:
        return _bipartite(sites, edge_attr, frame, pairs)
    edge_index = torch.from_numpy(np.stack([pairs.sender, pairs.receiver]))
    data = Data(**sites, edge_index=edge_index, edge_attr=edge_attr, **frame)
    if pairs.weight is not None:
        data.edge_weight = torch.from_numpy(pairs.weight).to(dtype)
    return data


def _primitive(structure: Structure, tolerance: float) -> Structure:
    """Return the primitive cell; warn if it averages what may be a real distortion."""
    primitive = to_primitive(structure, tolerance)
    if tolerance > _TELLING and len(primitive) < len(structure):
        sites = len(to_primitive(structure, _TELLING))
        if sites > len(primitive):
            warnings.warn(
                f"{sites} sites are averaged to {len(primitive)}: with "
                f"data.primitive_tolerance = {tolerance:g} A smaller distortions are "
                "not seen; to see them train a model with a smaller one",
                SiteNetWarning,
                stacklevel=3,
            )
    return primitive


def _check_settings(max_atoms: int, primitive_tolerance: float) -> None:
    if max_atoms < 1:
        raise ConfigError(f"`max_atoms` must be at least 1, got {max_atoms}")
    if not primitive_tolerance > 0:
        raise ConfigError(
            f"`primitive_tolerance` must be above 0 angstrom, got {primitive_tolerance}"
        )


def _site_tensors(primitive: Structure, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    species = [site.specie for site in primitive]
    z = np.array([specie.Z for specie in species], dtype=np.int64)
    states = [float(getattr(specie, "oxi_state", 0) or 0) for specie in species]
    x = np.column_stack([element_properties()[z], states])  # [n, 9]
    return {"z": torch.from_numpy(z), "x": torch.from_numpy(x).to(dtype)}


def _frame_tensors(
    cell: Floats, pairs: Pairs, dtype: torch.dtype
) -> dict[str, torch.Tensor]:
    matrix = torch.from_numpy(pairs.supercell_matrix)
    num_images = round(abs(np.linalg.det(pairs.supercell_matrix)))
    return {
        "cell": torch.from_numpy(cell).to(dtype)[None],
        "supercell_matrix": matrix[None],
        "num_images": torch.tensor([num_images]),
    }


def _edge_features(z: Ints, pairs: Pairs) -> Floats:
    """Return distance (angstrom) and clipped log Coulomb of each pair, [E, 2]."""
    own = pairs.is_self
    charge = z.astype(np.float64)
    bohr = BOHR_PER_ANGSTROM * np.where(own, 1, pairs.distance)
    coulomb = charge[pairs.receiver] * charge[pairs.sender] / bohr
    coulomb[own] = 0.5 * charge[pairs.receiver[own]] ** 2.4
    log_coulomb = np.log(coulomb + LOG_COULOMB_FLOOR)
    limit = LOG_COULOMB_LIMIT
    return np.column_stack([pairs.distance, np.clip(log_coulomb, -limit, limit)])


def _bipartite(
    sites: dict[str, torch.Tensor],
    edge_attr: torch.Tensor,
    frame: dict[str, torch.Tensor],
    pairs: Pairs,
) -> HeteroData:
    """Give each atom that is seen a node of its own."""
    seen = np.column_stack([pairs.sender, pairs.image])
    atoms, sender = np.unique(seen, axis=0, return_inverse=True)
    site_of_atom = torch.from_numpy(np.ascontiguousarray(atoms[:, 0]))
    data = HeteroData(**frame)
    data["site"].z, data["site"].x = sites["z"], sites["x"]
    data["atom"].z = sites["z"][site_of_atom]
    data["atom"].num_nodes = len(atoms)
    data["atom"].image = torch.from_numpy(np.ascontiguousarray(atoms[:, 1:]))
    interacts = data["atom", "interacts", "site"]
    edge_index = np.stack([sender.reshape(-1), pairs.receiver])
    interacts.edge_index = torch.from_numpy(edge_index)
    interacts.edge_attr = edge_attr
    if pairs.weight is not None:
        interacts.edge_weight = torch.from_numpy(pairs.weight).to(edge_attr.dtype)
    image_of = data["atom", "image_of", "site"]
    image_of.edge_index = torch.stack([torch.arange(len(atoms)), site_of_atom])
    return data
