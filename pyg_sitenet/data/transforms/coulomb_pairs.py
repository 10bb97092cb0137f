"""The features of pairs that Site-Net reads."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.data import Batch, Data
from torch_geometric.data.datapipes import functional_transform
from torch_geometric.transforms import BaseTransform

from pyg_sitenet.data.elements import MAX_ATOMIC_NUMBER
from pyg_sitenet.data.transforms.batches import graph_by_graph
from pyg_sitenet.data.transforms.pair_geometry import is_self

# 1 angstrom in Bohr radii, with the digits the reference numbers were made with.
BOHR_PER_ANGSTROM = 1.8897543760313331
LOG_COULOMB_FLOOR = 1e-8
LOG_COULOMB_LIMIT = 10.0


@functional_transform("coulomb_pairs")
class CoulombPairs(BaseTransform):
    r"""Gives each pair its distance and the logarithm of its Coulomb matrix element.

    That is :math:`Z_i Z_j / d` with the distance in Bohr radii, and :math:`Z^{2.4} / 2`
    of an atom with itself; the logarithm is clipped to 10.

    Shapes:
        - **input:** ``z [n]``, ``edge_index [2, E]``, ``edge_dist [E]`` (angstrom) and
          with a cell ``edge_shift [E, 3]``, as of :class:`PeriodicRadiusGraph`
        - **output:** ``edge_attr [E, 2]``, in place of any other

    Raises:
        ValueError: If one of these is missing, or ``z`` has another shape or holds what
            is no atomic number.
    """

    def forward(self, data: Data) -> Data:
        """Set ``edge_attr``; ``data`` itself stays as it is."""
        if isinstance(data, Batch):
            return graph_by_graph(self, data)
        shift = ("edge_shift",) if "cell" in data else ()
        for name in ("z", "edge_index", "edge_dist", *shift):
            if name not in data:
                raise ValueError(
                    f"`data` must have `{name}`; CoulombPairs comes after "
                    "PeriodicRadiusGraph, Sphere or Supercell"
                )
        num_sites = data.pos.size(0) if "pos" in data else data.z.size(0)
        if data.z.shape != (num_sites,):
            raise ValueError(
                f"`z` must have shape [{num_sites}], the atomic number of each site, "
                f"got {[*data.z.shape]}"
            )
        check_numbers(data.z)
        pairs = [data.edge_dist, _log_coulomb(data)]
        data.edge_attr = torch.stack(pairs, dim=1)
        return data


def check_numbers(z: Tensor) -> None:
    """Refuse what is no atomic number; on a GPU this waits for it."""
    low, high = torch.stack(z.aminmax()).tolist() if z.numel() else (1, 1)
    if not 1 <= low <= high <= MAX_ATOMIC_NUMBER:
        raise ValueError(
            f"`z` must hold atomic numbers, 1 to {MAX_ATOMIC_NUMBER}, got {low} to "
            f"{high}"
        )


def _log_coulomb(data: Data) -> Tensor:
    charge = data.z.to(data.edge_dist.dtype)
    sender, receiver = data.edge_index
    own = is_self(data)
    bohr = BOHR_PER_ANGSTROM * torch.where(own, 1.0, data.edge_dist)
    coulomb = charge[receiver] * charge[sender] / bohr
    coulomb = torch.where(own, (0.5 * charge**2.4)[receiver], coulomb)
    log_coulomb = (coulomb + LOG_COULOMB_FLOOR).log()
    return log_coulomb.clamp(-LOG_COULOMB_LIMIT, LOG_COULOMB_LIMIT)
