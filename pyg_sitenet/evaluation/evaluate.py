"""A trained model against known values."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyg_sitenet.csv_file import CsvFile
from pyg_sitenet.data.classes import tell_spellings
from pyg_sitenet.data.failures_file import FailuresFile, failures_file
from pyg_sitenet.data.graph.encoder import Item
from pyg_sitenet.data.ledger import Ledger
from pyg_sitenet.data.readers.units import conversion
from pyg_sitenet.data.records import Failure
from pyg_sitenet.data.sources import Source
from pyg_sitenet.errors import DataError
from pyg_sitenet.evaluation.collected import Scores
from pyg_sitenet.evaluation.evaluation_figures import draw_figures
from pyg_sitenet.evaluation.learnt import Learnt
from pyg_sitenet.file_locks import locked_file
from pyg_sitenet.model_file import ModelDescription
from pyg_sitenet.prediction import (
    Prediction,
    Predictor,
    column_name,
    load_predictor,
)
from pyg_sitenet.prediction.columns import answer_cells, answer_columns, known_cells
from pyg_sitenet.prediction.file.result_files import check_replaceable
from pyg_sitenet.prediction.file.to_file import Watch
from pyg_sitenet.prediction.known_values import open_known

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Outcome of :func:`evaluate`.

    Attributes:
        metrics: For each target its ``unit``, ``mae``, ``rmse`` and ``r2``, or its
            ``classes`` and what :func:`~pyg_sitenet.scores.class_score` gives; if the
            model was calibrated, also the ``coverage`` of its intervals or sets.
        ledger: How many crystals were used, and why the others were not.
        figures: Files of the figures, if rows were written: ``parity`` of numbers,
            ``classes``, and ``calibration`` of a calibrated model.
    """

    metrics: dict[str, dict[str, Any]]
    ledger: Ledger
    figures: dict[str, Path]


def evaluate(
    model: str | Path | Predictor,
    source: str | Path | Source | Iterable[Item],
    output: str | Path | None = None,
    *,
    workers: int | None = None,
    watch: Watch = lambda results, _: results,
    run: str | Path | None = None,
) -> Evaluation:
    """Compare a model's predictions with the known values of a data set.

    Args:
        model: A model file, a run folder or a loaded predictor.
        source: Anything that ``sitenet train`` takes as data, or records.
        output: CSV file for predicted and known values; what could not be used goes to
            a file beside it, as do the figures.
        workers: Other processes that read and encode crystals, 0 for one per core; by
            default this one does it.
        watch: See :func:`~pyg_sitenet.prediction.predict_to_file`.
        run: Run folder of a loaded predictor; crystals it was trained on are warned
            about, as they are of a model that is named.

    Raises:
        ModelFileError: If the model cannot be loaded.
        DataError: If no crystal of the source can be used, if it states no target of
            the model, if it was opened with another unit, or if the output cannot be
            written.
    """
    predictor = model if isinstance(model, Predictor) else load_predictor(model)
    names = predictor.description.targets
    if isinstance(source, (str, Path)):
        source = open_labelled(source, predictor.description)
    records = _entries(source, predictor.description.units)
    complete = _with_targets(records, names)
    results = watch(predictor.predict_records(complete, workers=workers), 0)
    results = Learnt(run, model).counting(results)
    layout = predictor.description.layout
    scores, ledger = Scores(layout), Ledger()
    is_again = output is not None and Path(output).is_file()
    for result in _written(results, predictor, output):
        ledger.add(result)
        if not isinstance(result, Failure):
            scores.add(result)
    if not ledger.used:
        name = source.name if isinstance(source, Source) else "the records"
        raise DataError(f"{name}: {_explain_nothing(ledger)}")
    metrics = scores.metrics(predictor.description.units)
    for name, rows in scores.coverage(predictor.description).items():
        metrics[name]["coverage"] = rows
    figures = {}
    if output is not None:
        figures = draw_figures(
            Path(output), scores, predictor.description, is_again=is_again
        )
    return Evaluation(metrics, ledger, figures)


def open_labelled(data: str | Path, description: ModelDescription) -> Source:
    """Open crystals to evaluate, and say which targets of the model they do not state.

    Raises:
        DataError: If they cannot be opened, or state none.
    """
    source, targets = open_known(data, description, needed=True)
    for note in source.notes:
        _logger.warning("%s", note)
    classes = {k: v for k, v in description.classes.items() if k in targets}
    tell_spellings(source, classes)
    missing = [name for name in description.targets if name not in targets]
    if missing:
        _logger.warning(
            "%s: no values of %s, so that nothing is said about it; %s evaluated",
            source.name,
            ", ".join(missing),
            f"{', '.join(targets)} {'is' if len(targets) == 1 else 'are'}",
        )
    return source


def _entries(
    source: Source | Iterable[Item], units: Mapping[str, str]
) -> Iterable[Item]:
    """Return what to evaluate, if its known values are in the model's units."""
    if not isinstance(source, Source):
        return source
    for name, unit in units.items():
        stated = source.units.get(name) or unit
        if conversion(stated, unit) != conversion(unit, unit):
            raise DataError(
                f"{source.name}: {name!r} is in {stated!r}, the model's in {unit!r};"
                f" open the source with units={{{name!r}: {unit!r}}}"
            )
    return source.entries()


def _written(
    results: Iterable[Prediction | Failure],
    predictor: Predictor,
    output: str | Path | None,
) -> Iterator[Prediction | Failure]:
    """Pass results on, and write them if they are wanted in a file."""
    if output is None:
        yield from results
        return
    path, description = Path(output), predictor.description
    check_replaceable(path)
    columns = answer_columns(description)
    truth_columns = [
        f"known {column_name(target, description.units)}"
        for target in description.targets
    ]
    headings = ["id", "formula", *columns, *truth_columns]
    with (
        locked_file(path),
        CsvFile(path, headings) as rows,
        FailuresFile(failures_file(path)) as failures,
    ):
        for result in results:
            if isinstance(result, Failure):
                failures.add_failure(result)
            else:
                answers = answer_cells(result, description)
                truth = known_cells(result, description)
                rows.add([result.id, result.formula, *answers, *truth])
            yield result


def _explain_nothing(ledger: Ledger) -> str:
    text = "no crystal can be evaluated"
    if not ledger.failed:
        return text
    _, number, reason, _ = ledger.rows()[0]
    return f"{text}; {number} of {ledger.failed} failures: {reason}"


def _with_targets(records: Iterable[Item], names: Sequence[str]) -> Iterator[Item]:
    for record in records:
        if isinstance(record, Failure) or _knows_any(record.targets, names):
            yield record
            continue
        yield Failure(
            origin=record.origin,
            id=record.id,
            stage="target",
            reason=f"no value of {', '.join(names)}",
            remedy="add the value or leave the crystal out",
        )


def _knows_any(targets: Mapping[str, float], names: Sequence[str]) -> bool:
    return any(not math.isnan(targets.get(name, math.nan)) for name in names)
