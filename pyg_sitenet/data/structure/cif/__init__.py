"""CIF: read by gemmi, compared with everything that the file states of itself."""

from __future__ import annotations

from pyg_sitenet.data.structure.cif.blocks import split_cif
from pyg_sitenet.data.structure.cif.read import read_cif_block

__all__ = ["read_cif_block", "split_cif"]
