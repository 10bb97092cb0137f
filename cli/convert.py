"""``sitenet convert``: a published checkpoint in, a model file out."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from .options import Json
from .terminal import say, say_json

Checkpoint = Annotated[
    Path, typer.Argument(metavar="CHECKPOINT", help="A published .ckpt file.")
]
Settings = Annotated[
    Path, typer.Argument(metavar="CONFIG.yaml", help="Its settings, as published.")
]
Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="FILE", help="Model file to write.")
]
Target = Annotated[
    str,
    typer.Option("--target", "-t", metavar="NAME", help="Name of the target."),
]
Unit = Annotated[str, typer.Option(metavar="UNIT", help="Unit of the target.")]
MaxAtoms = Annotated[
    int, typer.Option(min=1, metavar="N", help="Supercell size it was trained with.")
]


def convert(
    checkpoint: Checkpoint,
    settings: Settings,
    output: Output,
    target: Target = "band_gap",
    unit: Unit = "eV",
    max_atoms: MaxAtoms = 500,
    as_json: Json = False,
) -> None:
    """Turn a published Site-Net checkpoint into a model file; nothing in it is run.

    Example: sitenet convert best.ckpt PaperParams.yaml --output gap.safetensors
    """
    from pyg_sitenet.conversion import convert_checkpoint

    model = convert_checkpoint(
        checkpoint, settings, output, target=target, unit=unit, max_atoms=max_atoms
    )
    if as_json:
        say_json(asdict(model) | {"path": str(model.path)})
        return
    say(f"Model file: {model.path} ({model.num_parameters} parameters)")
    if model.unused_settings:
        say(f"Settings without use here: {', '.join(model.unused_settings)}")
    if model.unused_tensors:
        say(f"Tensors without use here: {', '.join(model.unused_tensors)}")
