from __future__ import annotations

import csv
import gc
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pyg_sitenet.csv_file import number_text
from pyg_sitenet.data.failures_file import failures_file
from pyg_sitenet.data.records import Failure
from pyg_sitenet.data.sources import Source, open_source
from pyg_sitenet.errors import DataError
from pyg_sitenet.prediction import Prediction, Predictor, predict_to_file
from pyg_sitenet.prediction.file.journal import read_journal
from pyg_sitenet.prediction.file.result_files import run_file

WINDOW = 16
EXAMPLE = Path(__file__).parents[3] / "examples" / "structures" / "Si.cif"
Results = Iterator[Prediction | Failure]
Child = Callable[[Callable[[], object]], int]
MakeTable = Callable[[int], Path]


class _StopError(Exception):
    pass


def _stop_after(count: int) -> Callable[[Results, int], Results]:
    def watch(results: Results, done: int) -> Results:
        for number, result in enumerate(results, done + 1):
            yield result
            if number == count:
                raise _StopError

    return watch


def _contents(output: Path) -> list[bytes]:
    return [file(output).read_bytes() for file in (Path, failures_file, run_file)]


def _wait_for(is_true: Callable[[], bool]) -> None:
    for _ in range(6000):
        if is_true():
            return
        time.sleep(0.01)
    raise AssertionError("nothing has happened for a minute")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@pytest.fixture
def source(make_table: MakeTable) -> Source:
    return open_source([make_table(4 * WINDOW + 6)])


@pytest.fixture
def whole(small_predictor: Predictor, source: Source, tmp_path: Path) -> Path:
    """Output of a run without a stop."""
    path = source.name  # as well as what `open_source` makes of it
    predict_to_file(small_predictor, path, tmp_path / "whole.csv", workers=1)
    return tmp_path / "whole.csv"


def test_every_input_is_in_one_of_the_files_in_its_order(
    whole: Path, source: Source, small_predictor: Predictor
) -> None:
    with whole.open(newline="") as file:
        ids = [row["id"] for row in csv.DictReader(file)]
    with failures_file(whole).open(newline="") as file:
        failed = [row["id"] for row in csv.DictReader(file)]
    everything = [entry.id for entry in source.entries()]
    assert failed == [id_ for id_ in everything if int(id_[1:]) % 20 == 7]
    assert ids == [id_ for id_ in everything if id_ not in failed]
    results = small_predictor.predict_records(source.entries())
    last = [item for item in results if isinstance(item, Prediction)][-1]
    assert (
        whole.read_text()
        .splitlines()[-1]
        .startswith(f"{last.id},{last.formula},{number_text(last.values['gap'])},")
    )


def test_killed_at_random_moments_it_leaves_the_same_bytes(
    small_predictor: Predictor, source: Source, whole: Path, start_child: Child
) -> None:
    output = whole.with_name("part.csv")
    chance = random.Random(0)
    resumed_at = []
    for part in range(3):
        child = start_child(
            lambda: predict_to_file(
                small_predictor, source, output, resume=True, workers=2
            )
        )
        size = (part + chance.random()) / 3 * _size(whole)
        _wait_for(lambda size=size: _size(output) > size)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        journal = read_journal(run_file(output))
        assert journal is not None
        assert not journal.is_complete
        resumed_at.append(journal.num_inputs)
    assert resumed_at[-1] > 0
    ledger = predict_to_file(small_predictor, source, output, resume=True, workers=1)
    assert _contents(output) == _contents(whole)
    assert ledger.read == sum(1 for _ in source.entries())


@pytest.mark.parametrize("stop", [1, WINDOW, WINDOW + 5, 2 * WINDOW])
def test_stopped_at_any_place_it_leaves_the_same_bytes(
    stop: int, small_predictor: Predictor, make_table: MakeTable, tmp_path: Path
) -> None:
    source = open_source([make_table(2 * WINDOW + 1)])
    outputs = tmp_path / "whole.csv", tmp_path / "part.csv"
    predict_to_file(small_predictor, source, outputs[0], workers=2)
    with pytest.raises(_StopError):
        predict_to_file(
            small_predictor, source, outputs[1], workers=2, watch=_stop_after(stop)
        )
    predict_to_file(small_predictor, source, outputs[1], resume=True, workers=2)
    assert _contents(outputs[0]) == _contents(outputs[1])


def test_full_disk_is_named_and_can_be_resumed(
    small_predictor: Predictor, source: Source, whole: Path, start_child: Child
) -> None:
    resource = pytest.importorskip("resource")
    output = whole.with_name("part.csv")
    limit = _size(whole) * 3 // 4

    def fill() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        with pytest.raises(DataError, match=r"part.csv: cannot be written: .*; free"):
            predict_to_file(small_predictor, source, output, workers=1)

    _, status = os.waitpid(start_child(fill), 0)
    assert os.waitstatus_to_exitcode(status) == 0
    journal = read_journal(run_file(output))
    assert journal is not None
    assert journal.num_inputs in (2 * WINDOW, 3 * WINDOW)
    predict_to_file(small_predictor, source, output, resume=True, workers=1)
    assert _contents(output) == _contents(whole)


def test_second_process_on_one_output_is_refused(
    small_predictor: Predictor, source: Source, tmp_path: Path, start_child: Child
) -> None:
    output = tmp_path / "gaps.csv"
    child = start_child(
        lambda: predict_to_file(
            small_predictor, source, output, watch=_wait_forever, workers=2
        )
    )
    _wait_for(output.exists)
    for resume in (False, True):
        with pytest.raises(DataError, match=r"gaps.csv: another process is writing it"):
            predict_to_file(small_predictor, source, output, resume=resume)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    # At once, although the processes that encode may live a moment longer.
    predict_to_file(small_predictor, source, output, resume=True)


def _wait_forever(results: Results, done: int) -> Results:
    del done
    yield next(results)
    time.sleep(600)


def test_another_model_or_input_is_not_continued(
    small_predictor: Predictor, source: Source, whole: Path, tmp_path: Path
) -> None:
    table = tmp_path / "crystals.jsonl"
    other = tmp_path / "other.jsonl"
    other.write_text(table.read_text())
    with pytest.raises(
        DataError, match=r"begun with other inputs, .*crystals.jsonl; c"
    ):
        predict_to_file(small_predictor, open_source([other]), whole, resume=True)
    table.write_text(table.read_text().replace("Br", "Cl"))
    with pytest.raises(DataError, match="begun before its inputs changed"):
        predict_to_file(small_predictor, open_source([table]), whole, resume=True)
    bias = next(small_predictor.model.parameters())
    bias.data += 1e-3
    with pytest.raises(DataError, match="begun with another model"):
        predict_to_file(small_predictor, source, whole, resume=True)


def test_results_are_let_go_as_they_are_written(
    small_predictor: Predictor, make_table: MakeTable, tmp_path: Path
) -> None:
    alive = []

    def watch(results: Results, done: int) -> Results:
        for number, result in enumerate(results, done):
            if number % 8 == 0:
                alive.append(sum(type(o) is Prediction for o in gc.get_objects()))
            yield result

    source = open_source([make_table(80)])
    predict_to_file(small_predictor, source, tmp_path / "a.csv", watch=watch)
    assert len(alive) == 10
    assert max(alive) < 10


def test_names_of_files_that_are_no_text_are_recorded_and_continued(
    small_predictor: Predictor, tmp_path: Path
) -> None:
    folder = tmp_path / os.fsdecode(b"gr\xfcn")
    folder.mkdir()
    (folder / os.fsdecode(b"Si\xe9.cif")).write_bytes(EXAMPLE.read_bytes())
    (folder / os.fsdecode(b"broken\xe9.cif")).write_text("no crystal")
    output = folder / "out.csv"
    # Small networks have seen no silicon: the warning names the file, too.
    ledger = predict_to_file(small_predictor, open_source([folder]), output, workers=1)
    again = predict_to_file(
        small_predictor, open_source([folder]), output, workers=1, resume=True
    )
    assert (ledger.read, ledger.failed) == (2, 1)
    assert again.counts() == ledger.counts()
