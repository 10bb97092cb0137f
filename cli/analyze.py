"""``sitenet analyze``: what a model learnt, as figures and tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .counts import end, report, tell_notes
from .loading import loading
from .options import Data, Device, Json, Model, Strict, Workers
from .terminal import chosen_device, counted, say, say_json, show_table

if TYPE_CHECKING:
    from pyg_sitenet.analysis.analyze import Analysis

Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="DIR", help="Folder to write to.")
]
Crystals = Annotated[
    list[str] | None,
    typer.Option(
        "--crystal",
        metavar="ID",
        help="Examine this crystal and show it in 3-D; repeatable.",
    ),
]


def analyze(
    model: Model,
    data: Data,
    output: Output = Path("analysis"),
    crystal: Crystals = None,
    workers: Workers = None,
    strict: Strict = False,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Show what a model attends to, how far away, and where its errors are.

    Each figure has its table (CSV) beside it; report.html shows all of it, with a few
    crystals in 3-D, in any browser and without a network. Crystals that cannot be used
    are listed in failures.csv, and the others are analysed. A single crystal, and those
    named with --crystal, are examined site by site and pair by pair in DIR/crystals.

    Example: sitenet analyze runs/gap dielectric --output analysis/gap
    """
    with loading():
        from pyg_sitenet.analysis.analyze import analyze as analyze_model
        from pyg_sitenet.analysis.analyze import examine
        from pyg_sitenet.file_locks import check_output_folder, locked_folder
        from pyg_sitenet.prediction import load_predictor
        from pyg_sitenet.prediction.known_values import open_known
        from pyg_sitenet.report import collect, write_report
        from pyg_sitenet.training.run.metrics_file import read_history

    check_output_folder(output, source=data)
    predictor = load_predictor(model, chosen_device(device))
    source, targets = open_known(data, predictor.description)
    tell_notes(source)
    history, best_epoch = read_history(model)
    entries = counted(source.entries(), "Analysing", source.count)
    with locked_folder(output):
        analysis = analyze_model(
            predictor, entries, output, targets=targets, history=history,
            best_epoch=best_epoch, workers=workers or 0,
        )  # fmt: skip
        examine(predictor, source.entries(), analysis, crystal or [])
        content = collect(
            predictor, analysis, source.entries(),
            title=f"{model.name} on {Path(data).name}", history=history,
            best_epoch=best_epoch, chosen=crystal or [],
        )  # fmt: skip
        write_report(analysis.path("report.html"), content)
    ledger = analysis.survey.ledger
    report(ledger, "analysed", output / "failures.csv")
    if as_json:
        counts = {"analysed": ledger.used, "failed": ledger.failed}
        say_json(_facts(analysis) | counts | {"counts": ledger.counts()})
    else:
        _report(analysis)
    end(ledger, strict=strict)


def _facts(analysis: Analysis) -> dict[str, Any]:
    # A number that does not exist is null in JSON, not NaN.
    fits = json.loads(analysis.fits.to_json(orient="records", double_precision=15))
    return {
        "folder": str(analysis.folder),
        "files": analysis.files,
        "metrics": analysis.metrics,
        "long_range": fits,
        "notes": analysis.notes,
    }


def _report(analysis: Analysis) -> None:
    fits = analysis.fits[analysis.fits["head"] == "all"]
    columns = ["measure", "crystals", "slope", "pearson r", "spearman rho"]
    rows = fits[columns].astype(object).where(fits[columns].notna(), None)
    show_table(["long-range coefficient over", *columns[1:]], rows.to_numpy())
    if analysis.metrics:
        keys = ("mae", "rmse", "r2", "unit")
        scores = [(k, *(v[key] for key in keys)) for k, v in analysis.metrics.items()]
        show_table(["target", "MAE", "RMSE", "R2", "unit"], scores)
    for note in analysis.notes:
        say(f"Note: {note}")
    say(f"Figures and tables: {analysis.folder}")
    say(f"Report: {analysis.folder / 'report.html'}")
