"""``sitenet info``: what a model or a structure is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import Json
from .terminal import CLASS_SCORES, as_text, say, say_json, show_table

if TYPE_CHECKING:
    from pyg_sitenet.uncertainty import Calibration

Subject = Annotated[
    Path,
    typer.Argument(
        metavar="MODEL|STRUCTURE",
        help="A model file, a run folder, the name of a ready model, or a structure.",
    ),
]
MaxAtoms = Annotated[
    int,
    typer.Option(
        min=1, metavar="N", help="Largest supercell of a structure, in atoms."
    ),
]


def info(path: Subject, max_atoms: MaxAtoms = 100, as_json: Json = False) -> None:
    """Describe a model, or the graph that a structure becomes.

    Example: sitenet info runs/gap
    """
    from pyg_sitenet.ready_models import READY_MODELS

    ready = None if path.exists() else READY_MODELS.get(str(path))
    is_name = ready is not None or not (path.exists() or path.suffix)
    is_model = is_name or path.is_dir() or path.suffix == ".safetensors"
    facts = _model_facts(path) if is_model else _structure_facts(path, max_atoms)
    if as_json:
        say_json(facts)
        return
    errors = _errors(facts.pop("metrics", {}))
    rows = [(name, _plain(value)) for name, value in (facts | errors).items()]
    show_table(["", str(path)], rows)
    if ready is not None:
        for line in ready.card.read_text(encoding="utf-8").splitlines():
            say(line)


def _model_facts(path: Path) -> dict[str, Any]:
    from ase.data import chemical_symbols

    from pyg_sitenet.config import PRESETS, load_preset
    from pyg_sitenet.model_file import load_model

    model, description = load_model(path)
    config = description.config
    presets = [name for name in PRESETS if load_preset(name).model == config.model]
    return {
        "targets": list(description.targets),
        "units": description.units,
        "classes": {k: list(labels) for k, labels in description.classes.items()},
        "trained on": config.data.source,
        "target ranges": description.target_ranges,
        "elements": [chemical_symbols[number] for number in description.elements],
        "environment": config.data.environment,
        "max_atoms": config.data.max_atoms,
        "model settings": presets[0] if presets else "custom",
        "networks": description.members,
        "intervals": _intervals(description.calibration),
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "metrics": description.metrics,
        "versions": description.versions,
    }


def _intervals(calibration: Calibration | None) -> str:
    if calibration is None:
        return "not calibrated"
    counts = {sum(map(len, groups)) for groups in calibration.scores.values()}
    return f"calibrated on {' or '.join(map(str, sorted(counts)))} crystals"


def _errors(metrics: dict[str, Any]) -> dict[str, Any]:
    """Return the test errors of each target, beside those of the baselines."""
    errors = {}
    for name, target in metrics.get("targets", {}).items():
        kinds = {"mae": "MAE"}
        if "classes" in target:
            kinds = {key: CLASS_SCORES[key] for key in ("accuracy", "roc_auc")}
        for key, word in kinds.items():
            parts = {"Site-Net": target} | target.get("baselines", {})
            scores = {who: part.get("test", {}).get(key) for who, part in parts.items()}
            errors[f"test {word} of {name}"] = scores
    return errors


def _structure_facts(path: Path, max_atoms: int) -> dict[str, Any]:
    from pyg_sitenet.data.geometry.primitive import to_primitive
    from pyg_sitenet.data.geometry.sphere import sphere_radius
    from pyg_sitenet.data.geometry.supercell import supercell_pairs
    from pyg_sitenet.data.structure.load import load_structure, reduced_formula
    from pyg_sitenet.errors import StructureError

    structure = load_structure(path)
    primitive = to_primitive(structure)
    lattice = primitive.lattice
    try:
        pairs = supercell_pairs(lattice.matrix, primitive.frac_coords, max_atoms)
    except StructureError as error:
        raise StructureError(f"{path}: {error}") from error
    apart = pairs.distance[~pairs.is_self]
    return {
        "formula": reduced_formula(structure),
        "sites": len(structure),
        "primitive sites": len(primitive),
        "primitive cell (A)": list(lattice.abc),
        "primitive angles (degrees)": list(lattice.angles),
        "primitive volume (A^3)": lattice.volume,
        "supercell": pairs.supercell_matrix.tolist(),
        "supercell atoms": len(pairs.distance) // len(primitive),
        "supercell pairs": len(pairs.distance),
        "shortest distance (A)": apart.min().item() if apart.size else None,
        "longest distance (A)": apart.max().item() if apart.size else None,
        "sphere radius (A)": sphere_radius(lattice.matrix, len(primitive), max_atoms),
    }


def _plain(value: object) -> str:
    """Write nested facts in one line."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        nested = any(isinstance(item, (list, tuple)) for item in value)
        return (" | " if nested else " ").join(map(_plain, value))
    return as_text(value)
