"""A crystal as the graph that the model reads: unique sites and pairs of atoms."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from numbers import Integral

import numpy as np
import torch
from pymatgen.core import Structure
from torch_geometric.data import Data, HeteroData
from torch_geometric.transforms import Compose

from pyg_sitenet.data.elements import element_properties
from pyg_sitenet.data.geometry.lattice import Ints
from pyg_sitenet.data.geometry.primitive import to_primitive
from pyg_sitenet.data.graph.unfold import unfold as unfold_pairs
from pyg_sitenet.data.structure.load import StructureLike, load_structure
from pyg_sitenet.data.transforms.coulomb_pairs import CoulombPairs
from pyg_sitenet.data.transforms.environments import find_environment
from pyg_sitenet.errors import ConfigError, SiteNetWarning

# Files of three or four decimals need no more, angstrom.
_TELLING = 0.01


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

    A trained model reads the graphs of its own settings alone, which
    :meth:`Predictor.graph` makes; those of the preset ``default`` are spheres.

    Args:
        structure: pymatgen structure, ASE atoms or the path of a file.
        max_atoms: Most atoms that a site attends to; a primitive cell that has more
            is taken as a whole.
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
        rows, ``pos`` [n, 3] Cartesian positions in angstrom, ``edge_shift`` [E, 3] the
        lattice translation of the atom that is seen, ``supercell_matrix`` [1, 3, 3] and
        ``num_images`` [1]; with the sphere also ``edge_weight`` [E]. Vectors of pairs
        are :func:`~pyg_sitenet.transforms.pair_vectors`.

    Raises:
        StructureError: If the structure cannot be read or used.
        ConfigError: If there is no such environment, a limit is not positive or a type
            not real.
    """
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise ConfigError(
            "`dtype` must be a floating type of PyTorch, such as torch.float32, got"
            f" {dtype!r}"
        )
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
    pairing = find_environment(environment)
    primitive = _primitive(structure, primitive_tolerance)
    transform = Compose([pairing(max_atoms), CoulombPairs()])
    data: Data = transform(_sites(primitive))
    del data.edge_dist  # the first column of edge_attr
    data.edge_shift = data.edge_shift.short()
    for name in ("x", "pos", "cell", "edge_attr", "edge_weight"):
        if name in data:
            data[name] = data[name].to(dtype)
    if unfold:
        return unfold_pairs(data, in_supercell=environment == "supercell")
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


def site_features(
    z: Ints, oxidation_states: Sequence[float] | None = None
) -> torch.Tensor:
    """Return the features ``x`` of sites in float64, ``[n, 9]``.

    Args:
        z: Atomic numbers, [n].
        oxidation_states: Of each site. (default: 0, none is known)
    """
    states = np.zeros(len(z)) if oxidation_states is None else oxidation_states
    return torch.from_numpy(np.column_stack([element_properties()[z], states]))


def oxidation_states(structure: Structure) -> list[float]:
    """Return the oxidation state of each site; 0 where none is stated."""
    return [float(getattr(site.specie, "oxi_state", 0) or 0) for site in structure]


def _check_settings(max_atoms: int, primitive_tolerance: float) -> None:
    if not isinstance(max_atoms, Integral) or max_atoms < 1:
        raise ConfigError(
            f"`max_atoms` must be a whole number above 0, got {max_atoms!r}"
        )
    if not primitive_tolerance > 0:
        raise ConfigError(
            f"`primitive_tolerance` must be above 0 angstrom, got {primitive_tolerance}"
        )


def _sites(primitive: Structure) -> Data:
    species = [site.specie for site in primitive]
    z = np.array([specie.Z for specie in species], dtype=np.int64)
    cell = np.array(primitive.lattice.matrix)
    return Data(
        z=torch.from_numpy(z),
        x=site_features(z, oxidation_states(primitive)),
        pos=torch.from_numpy(primitive.frac_coords @ cell),
        cell=torch.from_numpy(cell)[None],
    )
