"""The files of one prediction: rows, failures, and the record of how far they are."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path

from pyg_sitenet.csv_file import CsvFile, FileState, beside
from pyg_sitenet.data.failures_file import (
    FailuresFile,
    check_failures_file,
    failures_file,
)
from pyg_sitenet.data.ledger import Ledger
from pyg_sitenet.data.readers.tables.own_results import are_predictions
from pyg_sitenet.data.records import Failure
from pyg_sitenet.errors import DataError
from pyg_sitenet.file_locks import check_table, locked_file
from pyg_sitenet.prediction.columns import Prediction
from pyg_sitenet.prediction.file.journal import (
    Journal,
    Run,
    check_same_run,
    read_journal,
    write_journal,
)

_OTHER_FORMATS = frozenset(
    (
        *(".gz", ".bz2", ".xz", ".zst", ".zip", ".xlsx", ".xls", ".ods"),
        *(".json", ".jsonl", ".parquet", ".feather", ".h5", ".npz", ".pkl", ".db"),
    )
)
_NOTHING = FileState(num_bytes=0, sha256=sha256().hexdigest())


def run_file(output: Path) -> Path:
    """Return where the record goes of the run that writes a file of rows."""
    return beside(output, "run.json")


def check_replaceable(output: Path, columns: Sequence[str] = ()) -> None:
    """Check that files to write over hold predictions and failures, or nothing.

    Neither a model nor a table of known values is given up for predictions.

    Args:
        output: The file of predictions.
        columns: Headings of an earlier run in it, if its record is there.

    Raises:
        DataError: If one holds something else, or the name promises another format.
    """
    if output.suffix.lower() in _OTHER_FORMATS:
        raise DataError(
            f"{output}: predictions are written as CSV, not as {output.suffix}; name"
            " the output *.csv"
        )
    check_table(
        output,
        lambda heads: are_predictions(heads) or tuple(heads) == tuple(columns),
        "predictions",
    )
    check_failures_file(output)


class ResultFiles:
    """Writes rows and failures so that a run can go on after a stop at any moment.

    Args:
        output: File of the rows.
        headings: Its columns.
        run: What is predicted with what.
        resume: Go on where an earlier run with the same ``run`` was safe on the disk.
        overwrite: Start again although there is an unfinished run.

    Attributes:
        ledger: The counts, of earlier runs too.
        is_complete: Whether nothing is left to do.

    Raises:
        DataError: As :func:`~pyg_sitenet.prediction.predict_to_file` says.
    """

    def __init__(
        self,
        output: Path,
        headings: Sequence[str],
        run: Run,
        *,
        resume: bool = False,
        overwrite: bool = False,
    ) -> None:
        self._output, self._run = output, run
        self.ledger, self.is_complete = Ledger(), False
        with ExitStack() as stack:
            # Before the record is read: it must not change until this run has it.
            stack.enter_context(locked_file(output))
            start = self._find_start(resume, overwrite)
            if start is None:
                # First: from here on what the files hold belongs to this run.
                self._write(_NOTHING, _NOTHING)
            else:
                self.ledger = Ledger.from_counts(start.ledger)
                self.is_complete = start.is_complete
            rows, failures = (start.output, start.failures) if start else (None, None)
            self._rows = stack.enter_context(CsvFile(output, headings, rows))
            self._failures = FailuresFile(failures_file(output), failures)
            stack.enter_context(self._failures)
            self._stack = stack.pop_all()

    def __enter__(self) -> ResultFiles:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def add(self, prediction: Prediction, row: Sequence[object]) -> None:
        """Append a row and count its crystal."""
        self._rows.add(row)
        self.ledger.add(prediction)

    def add_failure(self, failure: Failure) -> None:
        """Append a failure and count it."""
        self._failures.add_failure(failure)
        self.ledger.add(failure)

    def commit(self, *, is_complete: bool = False) -> None:
        """Record that everything up to here is on the disk.

        Raises:
            DataError: If the disk is full; what was recorded before still holds.
        """
        self.is_complete = is_complete
        # First both files, then the record of how far they reach: stopped in between,
        # a run has rows that no record tells of. They are cut off when it goes on, and
        # written again, byte for byte.
        self._write(self._rows.sync(), self._failures.sync())

    def _write(self, output: FileState, failures: FileState) -> None:
        journal = Journal(
            run=self._run,
            is_complete=self.is_complete,
            num_inputs=self.ledger.read,
            output=output,
            failures=failures,
            ledger=self.ledger.counts(),
        )
        write_journal(run_file(self._output), journal)

    def _find_start(self, resume: bool, overwrite: bool) -> Journal | None:
        """Return the state to go on from; None to start at the beginning."""
        path = run_file(self._output)
        journal = read_journal(path)
        if resume:
            return self._to_go_on_from(journal)
        check_replaceable(self._output, journal.run.columns if journal else ())
        if journal and journal.num_inputs and not (journal.is_complete or overwrite):
            raise DataError(
                f"{self._output}: holds a prediction that was stopped after "
                f"{journal.num_inputs} inputs; go on with resume (--resume), or start "
                "again with overwrite (--overwrite)"
            )
        return None

    def _to_go_on_from(self, journal: Journal | None) -> Journal | None:
        if journal is None and self._output.exists():
            raise DataError(
                f"{self._output}: cannot be continued without "
                f"{run_file(self._output).name}, the record of its run; choose another "
                "output (--output) or start again without resume (--resume)"
            )
        if journal is None:
            return None
        check_same_run(self._output, journal.run, self._run)
        return journal if journal.num_inputs or journal.is_complete else None
