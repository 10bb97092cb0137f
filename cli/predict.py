"""``sitenet predict``: structures in, a table of predictions out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .counts import end, report, tell_notes
from .loading import loading
from .options import (
    DATA_HELP,
    Device,
    Disorder,
    DisorderSeed,
    Json,
    Orderings,
    OutputFile,
    Ray,
    Strict,
    Workers,
)
from .predictions import show_files, show_predictions
from .ready import List
from .terminal import chosen_device, counted

if TYPE_CHECKING:
    from pyg_sitenet.data.ledger import Ledger
    from pyg_sitenet.data.readers.source import Source
    from pyg_sitenet.prediction import Predictor
    from pyg_sitenet.prediction.joint import JointPredictor

Models = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A model file, a run folder, or a ready model (--list); several with "
        "commas between them.",
    ),
]
Inputs = Annotated[
    list[str],
    typer.Argument(metavar="INPUT", help=f"One or several: {DATA_HELP}"),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Continue a prediction that was stopped.")
]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Discard a stopped prediction and start again."),
]
Level = Annotated[
    float | None,
    typer.Option(
        metavar="P",
        help="Add an interval that contains the true value with this probability, such "
        "as 0.9.",
    ),
]
Statistics = Annotated[
    bool,
    typer.Option(
        "--statistics",
        help="Also give mean and standard error over the frames of each trajectory.",
    ),
]


def predict(
    model: Models,
    inputs: Inputs,
    output: OutputFile = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    disorder: Disorder = None,
    orderings: Orderings = None,
    seed: DisorderSeed = None,
    level: Level = None,
    statistics: Statistics = False,
    workers: Workers = None,
    ray: Ray = None,
    strict: Strict = False,
    device: Device = "auto",
    as_json: Json = False,
    list_models: List = False,
) -> None:
    """Predict the properties of structures.

    An input that cannot be used is reported with the reason, and the others are
    predicted. With --output each row is written as soon as it is ready, and the
    failures to a file beside it; --resume continues after a stop at any moment. With
    --disorder sample, a crystal with partly occupied sites gets the mean over ordered
    supercells, and their spread. With --ray a cluster computes, and the files are
    written here.

    Several models give one table: sitenet predict band-gap,formation-energy my.cif

    Example: sitenet predict runs/gap my_structures/ --output gaps.csv
    """
    del list_models  # has ended the command already
    _check_options(inputs, output, resume, overwrite, statistics)
    with loading():
        from pyg_sitenet.prediction import predict_to_file
        from pyg_sitenet.prediction.windows_on_cluster import predict_stream
        from pyg_sitenet.workers.cluster import open_cluster

        predictor = _load(
            model, "cpu" if ray and device == "auto" else device, level=level,
            disorder=disorder, orderings=orderings, disorder_seed=seed,
        )  # fmt: skip
    source, workers = _open(inputs), workers or 0
    shown = {"as_json": as_json, "statistics": statistics}
    with open_cluster(ray, workers) as cluster:
        if output is None:
            stream = predict_stream(predictor, source.entries(), workers, cluster)
            results = list(counted(stream, "Predicting", source.count))
            ledger = show_predictions(results, predictor, **shown)
        else:
            ledger = predict_to_file(
                predictor, source, output, resume=resume, overwrite=overwrite,
                workers=workers, cluster=cluster,
                watch=lambda rows, k: counted(rows, "Predicting", source.count, k),
            )  # fmt: skip
            show_files(output, predictor, ledger, **shown)
    _end(inputs, output, ledger, strict)


def _load(
    models: str,
    device: str,
    **options: Any,  # noqa: ANN401, those of load_predictor
) -> Predictor | JointPredictor:
    """Load a model, or several with commas between them."""
    from pyg_sitenet.errors import ConfigError
    from pyg_sitenet.prediction import load_predictor
    from pyg_sitenet.prediction.joint import JointPredictor

    options["device"] = chosen_device(device)
    names = [name.strip() for name in models.split(",")]
    if len(names) == 1 or os.path.exists(models):
        return load_predictor(models, **options)
    if len(set(names)) < len(names) or not all(names):
        raise typer.BadParameter(
            f"expected different models with commas between them, got {models!r}"
        )
    predictors = {}
    for name in names:
        try:
            predictors[name] = load_predictor(name, **options)
        except ConfigError as error:
            raise ConfigError(f"{name}: {error}") from error
    return JointPredictor(predictors)


def _open(inputs: list[str]) -> Source:
    """Open the inputs, and tell what of them is not read."""
    from pyg_sitenet.data.sources import open_source

    source = open_source(inputs)
    tell_notes(source)
    return source


def _check_options(
    inputs: list[str],
    output: Path | None,
    resume: bool,
    overwrite: bool,
    statistics: bool,
) -> None:
    from pyg_sitenet.file_locks import check_not_input

    if output is None and (resume or overwrite):
        name = "--resume" if resume else "--overwrite"
        raise typer.BadParameter(f"{name} needs the --output file of the prediction")
    if resume and overwrite:
        raise typer.BadParameter("give either --resume or --overwrite, not both")
    if output is not None:
        check_not_input(output, inputs)
        if statistics:
            _check_statistics(output)


def _check_statistics(output: Path) -> None:
    from pyg_sitenet.file_locks import check_table
    from pyg_sitenet.prediction.trajectory.frames import HEADINGS, statistics_file

    check_table(
        statistics_file(output),
        lambda heads: tuple(heads) == HEADINGS,
        "statistics of trajectories",
    )


def _end(inputs: list[str], output: Path | None, ledger: Ledger, strict: bool) -> None:
    """Tell the counts, and fail if nothing was predicted."""
    from pyg_sitenet.data.failures_file import failures_file
    from pyg_sitenet.errors import DataError

    report(ledger, "predicted", failures_file(output) if output else None)
    if not ledger.read:
        raise DataError(f"{', '.join(inputs)}: no crystal in it; name other inputs")
    if not ledger.used:
        raise typer.Exit(1)
    end(ledger, strict=strict)
