"""``sitenet converge``: how many atoms a task needs."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .counts import tell_notes
from .loading import loading
from .options import Crystals, Device, Json, Model
from .terminal import chosen_device, counted, say, say_json, show_table

if TYPE_CHECKING:
    from pyg_sitenet.analysis.convergence.study import ConvergenceReport

Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="DIR", help="Folder to write to.")
]
Atoms = Annotated[
    str,
    typer.Option(
        "--atoms", metavar="N,N,...", help="Sizes of the environment, in atoms."
    ),
]
Count = Annotated[
    int, typer.Option("--crystals", min=1, help="Most crystals, drawn at random.")
]
Seed = Annotated[
    int, typer.Option(min=0, help="Seed of the random crystals and weights.")
]
Tolerance = Annotated[
    float | None,
    typer.Option(
        min=0,
        help="Accepted change, in the target's unit. Default: a tenth of the "
        "model's test error.",
    ),
]
MaxPairs = Annotated[
    int, typer.Option("--max-pairs", min=1, help="Skip sizes with more pairs.")
]
Untrained = Annotated[
    bool, typer.Option("--untrained", help="Use random weights for comparison.")
]


def converge(
    model: Model,
    data: Crystals,
    output: Output = Path("convergence"),
    atoms: Atoms = "20,50,100,200,500,1000,2000,5000",
    crystals: Count = 100,
    tolerance: Tolerance = None,
    max_pairs: MaxPairs = 1_000_000,
    untrained: Untrained = False,
    seed: Seed = 0,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Show how predictions change with the number of atoms that a site sees.

    Each prediction is compared with that in the largest supercell or sphere that fits.
    The rule of thumb is the size from which on 90 % of the predictions change by no
    more than the tolerance. If the data have known values, the errors at each size are
    compared too.

    Example: sitenet converge runs/gap dielectric --output convergence/gap
    """
    with loading():
        from pyg_sitenet.analysis.convergence.measurement import choose_entries
        from pyg_sitenet.analysis.convergence.study import converge as converge_model
        from pyg_sitenet.analysis.convergence.study import untrained as without_training
        from pyg_sitenet.file_locks import check_output_folder
        from pyg_sitenet.prediction import load_predictor
        from pyg_sitenet.prediction.known_values import open_known

    check_output_folder(output, source=data)
    predictor, limits = load_predictor(model, chosen_device(device)), _parse(atoms)
    if untrained:
        predictor = without_training(predictor, seed)
    source, _ = open_known(data, predictor.description)
    tell_notes(source)
    chosen = choose_entries(source.entries(), crystals, seed)
    report = converge_model(
        predictor,
        counted(chosen, "Converging", len(chosen)),
        output,
        limits=limits,
        tolerances=None
        if tolerance is None
        else dict.fromkeys(predictor.description.outputs, tolerance),
        max_pairs=max_pairs,
    )
    _tell(report, output, as_json)


def _tell(report: ConvergenceReport, output: Path, as_json: bool) -> None:
    skipped = Counter(report.convergence.skipped["reason"])
    used = report.convergence.steps["id"].nunique()
    say(f"{used} crystals measured, {skipped.total()} steps skipped", err=True)
    if as_json:
        rules = [asdict(rule) | {"rule": rule.sentence()} for rule in report.rules]
        counts = {"crystals": used, "skipped": dict(skipped)}
        facts = {"folder": str(output), "files": report.files, "rules": rules}
        counts |= {"best": report.best}
        say_json(facts | counts)
        return
    keys = ("target", "environment", "tolerance", "max_atoms", "radius")
    rows = [tuple(asdict(rule)[key] for key in keys) for rule in report.rules]
    show_table([*keys[:3], "atoms needed", "radius needed (A)"], rows)
    for rule in report.rules:
        say(rule.sentence())
    for sentence in report.best:
        say(sentence)
    say(f"Figures and tables: {output} (what was left out: skipped.csv)")


def _parse(atoms: str) -> list[int]:
    """Read numbers between commas."""
    parts = [part.strip() for part in atoms.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise typer.BadParameter(
            f"--atoms needs numbers between commas, such as 50,500, got {atoms!r}"
        )
    return sorted({int(part) for part in parts})
