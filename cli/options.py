"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

DATA_HELP = (
    "the name of a bundled data set (dielectric) or of a Matbench task "
    "(matbench_phonons, or matbench_phonons:FILE), a folder or zip of structure files "
    "with a table, a CSV, JSON or JSONL whose rows hold structures (also OPTIMADE "
    "exports), or any file ASE reads."
)

Model = Annotated[
    Path, typer.Argument(metavar="MODEL", help="A model file or a run folder.")
]
Data = Annotated[str, typer.Argument(metavar="DATA", help=f"Crystals: {DATA_HELP}")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
OutputFile = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE.csv", help="Write the rows here."),
]
