"""From crystal structures to graphs and batches of graphs."""

from __future__ import annotations

import importlib

# Names are resolved on first use, so that reading structures does not import torch.
_HOME = {
    "StructureLike": "structure.load",
    "check_structure": "structure.load",
    "load_structure": "structure.load",
    "read_structures": "structure.load",
    "to_primitive": "geometry.primitive",
    "make_supercell": "geometry.supercell",
    "minimum_image_distances": "geometry.lattice",
    "PROPERTY_NAMES": "elements",
    "UNITS": "elements",
    "element_properties": "elements",
    "property_statistics": "elements",
    "encode_structure": "graph.encode",
    "BUNDLED": "readers.named.bundled",
    "BudgetBatchSampler": "batches.sampler",
    "CrystalDataModule": "batches.datamodule",
    "CrystalDataset": "dataset",
    "Failure": "records",
    "Record": "records",
    "Source": "sources",
    "open_source": "sources",
    "split_crystals": "batches.splits",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
