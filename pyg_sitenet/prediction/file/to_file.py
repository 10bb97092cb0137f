"""Predictions of any amount into a file, which can be continued after any stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

from pyg_sitenet.data.ledger import Ledger
from pyg_sitenet.data.records import Failure
from pyg_sitenet.data.sources import Source, open_source
from pyg_sitenet.prediction.columns import Prediction
from pyg_sitenet.prediction.file.journal import Run
from pyg_sitenet.prediction.file.result_files import ResultFiles
from pyg_sitenet.prediction.joint import JointPredictor
from pyg_sitenet.prediction.predictor import Predictor
from pyg_sitenet.prediction.windows_on_cluster import predict_stream
from pyg_sitenet.version import __version__
from pyg_sitenet.workers.cluster import Cluster

Results = Iterator[Prediction | Failure]
# Passes results on; is told how many inputs an earlier run has done.
Watch = Callable[[Results, int], Results]


def predict_to_file(
    predictor: Predictor | JointPredictor,
    source: Source | str | Path,
    output: str | Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    workers: int = 0,
    cluster: Cluster | None = None,
    watch: Watch = lambda results, _: results,
) -> Ledger:
    """Predict all crystals of a source, each row on the disk as it comes.

    Beside ``gaps.csv`` there will be ``gaps_failures.csv`` with every input that could
    not be used, and ``gaps_run.json``: what was predicted with what, the counts, and
    while it goes on how far it is safe on the disk. After a stop at any moment a run
    with ``resume`` leaves the files that one without a stop would have left.

    Args:
        predictor: The model, or several.
        source: What :func:`~pyg_sitenet.data.sources.open_source` returns, or takes.
        output: The CSV file.
        resume: Go on with the run that the output belongs to, if there is one; if it
            is complete, nothing is done.
        overwrite: Start again although the output belongs to an unfinished run.
        workers: Processes that read and encode crystals; 0 takes one per core.
        cluster: Computes instead of this machine
            (:func:`~pyg_sitenet.workers.cluster.open_cluster`).
        watch: Called with the results and the number of inputs done before; returns
            them one by one, for example while it counts them for a person.

    Returns:
        The counts of the whole run, of earlier parts too.

    Raises:
        DataError: If the files cannot be written, another process is writing them, the
            run to go on with is another one (model, inputs, their content, version), or
            it is unfinished and neither ``resume`` nor ``overwrite`` is set; if there
            is no such source.
        ClusterError: If the cluster cannot do the work.
    """
    if not isinstance(source, Source):
        source = open_source(source)
    headings = predictor.headings()
    run = Run(
        version=__version__,
        model=predictor.fingerprint(),
        columns=tuple(headings),
        inputs=source.name,
        content=source.digest(),
        settings={"window": predictor.window, **predictor.settings()},
    )
    with ResultFiles(
        Path(output), headings, run, resume=resume, overwrite=overwrite
    ) as files:
        if files.is_complete:
            return files.ledger
        todo = islice(source.entries(), files.ledger.read, None)
        results = predict_stream(predictor, todo, workers, cluster)
        with closing(results):  # and with it the processes, if the disk is full
            _write(watch(results, files.ledger.read), files, predictor)
        files.commit(is_complete=True)
        return files.ledger


def _write(
    results: Results, files: ResultFiles, predictor: Predictor | JointPredictor
) -> None:
    for result in results:
        if isinstance(result, Failure):
            files.add_failure(result)
        else:
            files.add(result, predictor.row(result))
        if files.ledger.read % predictor.window == 0:
            files.commit()
