"""The record beside a file of predictions: of what, with what, and how far."""

from __future__ import annotations

import json
from pathlib import Path, PurePath
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from pyg_sitenet.atomic_write import write_text
from pyg_sitenet.csv_file import ELSEWHERE, FileState
from pyg_sitenet.data.ledger import Ledger
from pyg_sitenet.errors import DataError, reporting_os_error

FORMAT_VERSION = 1


class Run(BaseModel):
    """What decides the rows of a prediction: a run is continued with the same alone.

    Attributes:
        version: Of pyg_sitenet.
        model: Hash of the model.
        columns: Headings of the output.
        inputs: Names of the inputs, as they were given.
        content: Hash of what the inputs hold.
        settings: Whatever else was chosen for this run.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    model: str
    columns: tuple[str, ...]
    inputs: str
    content: str
    settings: dict[str, Any] = {}


def _check_counts(counts: dict[str, Any]) -> dict[str, Any]:
    try:
        Ledger.from_counts(counts)
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError("not the counts of a run") from error
    return counts


class Journal(BaseModel):
    """How far a prediction has come; both files are on the disk up to there.

    Attributes:
        format_version: Of this record.
        run: What is predicted with what.
        is_complete: Whether all is done.
        num_inputs: Inputs done, the failed ones included.
        output: How far the file of predictions has grown.
        failures: How far the file of failures has grown.
        ledger: The counts up to there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: int = FORMAT_VERSION
    run: Run
    is_complete: bool
    num_inputs: int = Field(ge=0)
    output: FileState
    failures: FileState
    ledger: Annotated[dict[str, Any], AfterValidator(_check_counts)]


def read_journal(path: Path) -> Journal | None:
    """Read the record of a run; None if there is none.

    Raises:
        DataError: If the file is something else, or cannot be read.
    """
    try:
        # Names of files that are no text pass json, but not pydantic's own reader.
        return Journal.model_validate(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{path}: not the record of a prediction, or that of another version of "
            "pyg_sitenet; move it away or choose another output (--output)"
        ) from error


def write_journal(path: Path, journal: Journal) -> None:
    """Write the record of a run, all of it or nothing.

    Raises:
        DataError: If it cannot be written.
    """
    with reporting_os_error(path, ELSEWHERE):
        write_text(path, json.dumps(journal.model_dump(), indent=1) + "\n")


def check_same_run(path: Path, begun: Run, run: Run) -> None:
    """Check that a run continues the one that is recorded; inputs may have moved.

    Raises:
        DataError: If it does not; names what differs.
    """
    differences = {
        "model": "with another model",
        "version": f"with version {begun.version} of pyg_sitenet",
        "columns": f"with the columns {', '.join(begun.columns)}",
        "inputs": f"with other inputs, or under another name, {begun.inputs}",
        "settings": f"with other settings, {begun.settings}",
        "content": "before its inputs changed",
    }
    for name, how in differences.items():
        before, now = getattr(begun, name), getattr(run, name)
        if name == "inputs":  # what they hold and their names count, not where they lie
            before, now = PurePath(before).name, PurePath(now).name
        if before != now:
            raise DataError(
                f"{path}: cannot be continued, it was begun {how}; choose another "
                "output (--output) or start again with overwrite (--overwrite)"
            )
