from __future__ import annotations

from pathlib import Path

import pytest

from pyg_sitenet.data.failures_file import failures_file
from pyg_sitenet.data.records import Failure
from pyg_sitenet.errors import DataError
from pyg_sitenet.prediction import Prediction
from pyg_sitenet.prediction.file.journal import Run, read_journal
from pyg_sitenet.prediction.file.result_files import (
    ResultFiles,
    run_file,
)

HEADINGS = ("id", "gap")
RUN = Run(version="1", model="m", columns=HEADINGS, inputs="a.csv", content="c")
EMPTY = Failure("a.cif", "a", "read", "the file is empty", "export it again")


def _add(files: ResultFiles, name: str) -> None:
    files.add(Prediction(name, "Si", {"gap": 1.0}), [name, 1.0])


def _stop_after_one(output: Path) -> None:
    """Leave one row and one failure that are recorded, and a row that is not."""
    with ResultFiles(output, HEADINGS, RUN) as files:
        _add(files, "a")
        files.add_failure(EMPTY)
        files.commit()
        _add(files, "b")


def test_run_goes_on_where_it_was_recorded(tmp_path: Path) -> None:
    output = tmp_path / "gaps.csv"
    _stop_after_one(output)
    with ResultFiles(output, HEADINGS, RUN, resume=True) as files:
        assert (files.ledger.read, files.ledger.failed) == (2, 1)
        _add(files, "b")
        files.commit(is_complete=True)
    assert output.read_text() == "id,gap\na,1\nb,1\n"
    assert failures_file(output).read_text().count("\n") == 2
    journal = read_journal(run_file(output))
    assert journal is not None
    assert journal.is_complete


def test_stopped_run_is_not_destroyed_unasked(tmp_path: Path) -> None:
    output = tmp_path / "gaps.csv"
    _stop_after_one(output)
    before = output.read_bytes()
    with pytest.raises(DataError, match=r"gaps.csv: .* stopped after 2 inputs; go on"):
        ResultFiles(output, HEADINGS, RUN)
    assert output.read_bytes() == before
    with ResultFiles(output, HEADINGS, RUN, overwrite=True) as files:
        assert files.ledger.read == 0
    assert output.read_text() == "id,gap\n"


def test_run_that_has_recorded_nothing_is_begun_again(tmp_path: Path) -> None:
    output = tmp_path / "gaps.csv"
    for resume in (False, False, True):
        with ResultFiles(output, HEADINGS, RUN, resume=resume) as files:
            _add(files, "a")
    assert output.read_text() == "id,gap\na,1\n"


def test_run_killed_before_its_files_were_made_is_begun_again(tmp_path: Path) -> None:
    output = tmp_path / "gaps.csv"
    with ResultFiles(output, HEADINGS, RUN):
        pass
    output.unlink()
    failures_file(output).unlink()
    with ResultFiles(output, HEADINGS, RUN, resume=True) as files:
        files.commit(is_complete=True)
    assert output.read_text() == "id,gap\n"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("model", "n", "begun with another model"),
        ("version", "2", "begun with version 1 of pyg_sitenet"),
        ("columns", ("id",), "begun with the columns id, gap"),
        ("inputs", "b.csv", "begun with other inputs, or under another name, a.csv"),
        ("settings", {"x": 1}, r"begun with other settings, \{\}"),
        ("content", "d", "begun before its inputs changed"),
    ],
)
def test_another_run_is_not_continued(
    tmp_path: Path, name: str, value: object, message: str
) -> None:
    output = tmp_path / "gaps.csv"
    _stop_after_one(output)
    other = RUN.model_copy(update={name: value})
    with pytest.raises(DataError, match=f"gaps.csv: cannot be continued, .*{message}"):
        ResultFiles(output, HEADINGS, other, resume=True)


def test_moved_inputs_go_on(tmp_path: Path) -> None:
    output = tmp_path / "gaps.csv"
    _stop_after_one(output)
    moved = RUN.model_copy(update={"inputs": f"/elsewhere/{RUN.inputs}"})
    with ResultFiles(output, HEADINGS, moved, resume=True) as files:
        assert files.ledger.read == 2


@pytest.mark.parametrize(
    "content", [b"id,formula,gap\na,Si,1\n", b"\x08\x00\x00{weights}", b"data_NaCl\n"]
)
def test_what_holds_no_predictions_is_kept(tmp_path: Path, content: bytes) -> None:
    output = tmp_path / "model.safetensors"
    output.write_bytes(content)
    for options in ({}, {"overwrite": True}):
        message = "model.safetensors: holds something other than predictions and would"
        with pytest.raises(DataError, match=message):
            ResultFiles(output, HEADINGS, RUN, **options)
    assert output.read_bytes() == content


@pytest.mark.parametrize(
    "content", ["", "id,formula,gap,warnings\n", "id,formula,gap,known gap\na,Si,1,1\n"]
)
def test_earlier_predictions_are_replaced(tmp_path: Path, content: str) -> None:
    output = tmp_path / "gaps.csv"
    output.write_text(content)
    with ResultFiles(output, HEADINGS, RUN) as files:
        _add(files, "a")
    assert output.read_text() == "id,gap\na,1\n"


@pytest.mark.parametrize("mark", [",", "\t"])
def test_earlier_tsv_is_replaced_with_either_delimiter(
    tmp_path: Path, mark: str
) -> None:
    output = tmp_path / "gaps.tsv"
    failures = failures_file(output)
    output.write_text("id,formula,gap,warnings\na,Si,1,\n".replace(",", mark))
    failures.write_text("origin,id,stage,reason,remedy\n".replace(",", mark))
    with ResultFiles(output, HEADINGS, RUN) as files:
        _add(files, "a")
    assert output.read_text() == "id\tgap\na\t1\n"
    other = tmp_path / "mine.tsv"
    other.write_text("id,gap\na,2\n".replace(",", mark))
    with pytest.raises(DataError, match=r"mine\.tsv: holds something other than pred"):
        ResultFiles(other, HEADINGS, RUN)


def test_outputs_of_two_endings_have_files_of_their_own(tmp_path: Path) -> None:
    outputs = [tmp_path / "gaps.csv", tmp_path / "gaps.tsv"]
    assert len({*map(run_file, outputs), *map(failures_file, outputs)}) == 4


@pytest.mark.parametrize("content", ["", "[]", '{"format_version": 1}', "\x00"])
def test_file_that_is_no_record_is_kept(tmp_path: Path, content: str) -> None:
    output = tmp_path / "gaps.csv"
    run_file(output).write_text(content)
    for options in ({}, {"resume": True}, {"overwrite": True}):
        with pytest.raises(DataError, match=r"gaps_run.json: not the record of a pred"):
            ResultFiles(output, HEADINGS, RUN, **options)
    assert run_file(output).read_text() == content
    assert not output.exists()


def test_nothing_is_left_beside_the_files(tmp_path: Path) -> None:
    with ResultFiles(tmp_path / "gaps.csv", HEADINGS, RUN) as files:
        files.commit(is_complete=True)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["gaps.csv", "gaps_failures.csv", "gaps_run.json"]
