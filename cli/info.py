"""``sitenet info``: what a model or a structure is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from .options import Json
from .tables import show_table

Subject = Annotated[
    Path,
    typer.Argument(
        metavar="MODEL|STRUCTURE", help="A model file, a run folder or a structure."
    ),
]
MaxAtoms = Annotated[
    int, typer.Option(min=1, metavar="N", help="Supercell limit for a structure.")
]


def info(path: Subject, max_atoms: MaxAtoms = 100, as_json: Json = False) -> None:
    """Say what a model predicts and was trained on, or what a structure becomes.

    Example: sitenet info runs/gap
    """
    is_model = path.is_dir() or path.suffix == ".safetensors"
    facts = _model_facts(path) if is_model else _structure_facts(path, max_atoms)
    if as_json:
        typer.echo(json.dumps(facts))
    else:
        show_table(["", str(path)], [(name, _plain(facts[name])) for name in facts])


def _model_facts(path: Path) -> dict[str, Any]:
    from ase.data import chemical_symbols

    from pyg_sitenet.model_file import load_model

    model, description = load_model(path)
    data = description.config.data
    return {
        "targets": list(description.targets),
        "units": description.units,
        "trained on": data.source,
        "target ranges": description.target_ranges,
        "elements": [chemical_symbols[number] for number in description.elements],
        "environment": f"{data.environment}, at most {data.max_atoms} atoms",
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "metrics": description.metrics,
        "versions": description.versions,
    }


def _structure_facts(path: Path, max_atoms: int) -> dict[str, Any]:
    from pyg_sitenet.data.primitive import to_primitive
    from pyg_sitenet.data.structure import load_structure
    from pyg_sitenet.data.supercell import supercell_pairs

    structure = load_structure(path)
    primitive = to_primitive(structure)
    lattice = primitive.lattice
    pairs = supercell_pairs(lattice.matrix, primitive.frac_coords, max_atoms)
    apart = pairs.distance[~pairs.is_self]
    return {
        "formula": structure.composition.reduced_formula,
        "sites": len(structure),
        "primitive sites": len(primitive),
        "primitive cell (A)": list(lattice.abc),
        "primitive angles (degrees)": list(lattice.angles),
        "primitive volume (A^3)": lattice.volume,
        "supercell": pairs.supercell_matrix.tolist(),
        "supercell atoms": len(pairs.distance) // len(primitive),
        "pairs": len(pairs.distance),
        "shortest distance (A)": apart.min().item() if apart.size else None,
        "longest distance (A)": apart.max().item() if apart.size else None,
    }


def _plain(value: object) -> str:
    """Write nested facts in one line."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(one)}" for key, one in value.items())
    if isinstance(value, (list, tuple)):
        return " ".join(_plain(one) for one in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
