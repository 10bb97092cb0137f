"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

CRYSTALS_HELP = (
    "the name of a bundled data set (band_gaps, dielectric, formation_energy) or of a "
    "Matbench task (matbench_phonons, or matbench_phonons:FILE), a folder or zip of "
    "structure files with a table, a table (CSV, XLSX, JSON, JSONL) whose rows hold "
    "structures, an OPTIMADE export, or a structure file or trajectory (CIF, POSCAR, "
    "extended XYZ, ASE, ...)"
)
DATA_HELP = f"{CRYSTALS_HELP}, or a folder that sitenet prepare wrote."

Model = Annotated[
    Path,
    typer.Argument(
        metavar="MODEL",
        help="A model file, a run folder, or a ready model (sitenet predict --list).",
    ),
]
Data = Annotated[str, typer.Argument(metavar="DATA", help=f"Crystals: {DATA_HELP}")]
Crystals = Annotated[
    str, typer.Argument(metavar="DATA", help=f"Crystals: {CRYSTALS_HELP}.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
OutputFile = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="FILE.csv", help="Write the rows to this file."
    ),
]
Targets = Annotated[
    list[str] | None,
    typer.Option("--target", "-t", metavar="NAME", help="A target; repeatable."),
]
Preset = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Settings to start from: default or paper."),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Settings from a YAML file."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="One setting; repeatable."),
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=0, metavar="N", help="Processes that encode crystals; 0: one per core."
    ),
]
Ray = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="ADDRESS",
        help="Compute on a Ray cluster: auto for this machine's, HOST:PORT, or local "
        "for one that ends with the command. Needs 'pyg-sitenet\\[ray]'.",
    ),
]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="NAME",
        help="auto (a GPU if there is one), cpu, cuda or mps (Apple's GPUs).",
    ),
]
Accelerator = Annotated[
    str,
    typer.Option(
        "--device",
        "--accelerator",
        metavar="NAME",
        help="auto (a GPU if there is one), cpu, cuda, mps (Apple's GPUs), or another "
        "that Lightning knows.",
    ),
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Exit with code 1 if any input fails.")
]
Disorder = Annotated[
    str | None,
    typer.Option(
        "--disorder",
        metavar="HOW",
        help="Disordered crystals: error refuses them, sample or enumerate orders them "
        "in supercells. Default: as in training.",
    ),
]
Orderings = Annotated[
    int | None,
    typer.Option(
        "--orderings", metavar="K", min=1, help="Orderings of each disordered crystal."
    ),
]
DisorderSeed = Annotated[
    int | None,
    typer.Option("--seed", metavar="S", min=0, help="Seed of sampled orderings."),
]
