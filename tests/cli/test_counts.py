from pathlib import Path

import pytest
import typer

from pyg_sitenet.cli.counts import end, report
from pyg_sitenet.data.ledger import Ledger
from pyg_sitenet.data.records import Failure, Record


def ledger_of(reasons: list[str]) -> Ledger:
    ledger = Ledger()
    for reason in reasons:
        ledger.add(Failure("a.cif", "a", "read", reason, "repair it"))
    return ledger


def test_alike_failures_are_one_line_with_an_example(nacl, capsys):
    ledger = ledger_of([f"a.cif: line {number} is torn" for number in range(10_000)])
    ledger.add(Record("b", nacl, {}, "b.cif", ("rounded occupancies",)))
    report(ledger, "predicted", None)
    assert capsys.readouterr().err.splitlines() == [
        "10001 read: 1 predicted, 10000 failed, 1 with a warning",
        "  a.cif: line 0 is torn (9999 more like this)",
        "  Warning: b.cif: rounded occupancies",
    ]


@pytest.mark.parametrize(
    ("file", "place"),
    [(None, "--output FILE.csv keeps them"), (Path("f.csv"), "see f.csv")],
)
def test_long_lists_of_reasons_are_cut(file, place, capsys):
    report(ledger_of([letter * 9 for letter in "abcdefghijklmnopqrstuvwxy"]), "", file)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 22
    assert lines[-1] == f"  and 5 more: {place}"


def test_strict_ends_with_1_only_if_something_failed(capsys):
    end(ledger_of([]), strict=True)
    end(ledger_of(["empty"]), strict=False)
    with pytest.raises(typer.Exit) as stopped:
        end(ledger_of(["empty"]), strict=True)
    assert stopped.value.exit_code == 1
    assert "1 input failed, and none may (--strict)" in capsys.readouterr().err
