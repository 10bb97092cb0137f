from types import SimpleNamespace

from pyg_sitenet.data.ledger import Ledger
from pyg_sitenet.data.records import Failure


def _failure(reason, origin="a.cif"):
    return Failure(origin, "a", "read", reason, "repair it")


def _ledger():
    ledger = Ledger()
    for result in (
        _failure("empty"),
        _failure("torn", "b.cif"),
        _failure("torn", "c.cif"),
        SimpleNamespace(warnings=()),
        SimpleNamespace(warnings=("sharp", "large")),
        None,
    ):
        ledger.add(result)
    return ledger


def test_every_input_is_counted_once():
    counts = _ledger().counts()
    assert counts["read"] == 6
    assert (counts["used"], counts["filtered"], counts["failed"]) == (2, 1, 3)
    assert counts["warned"] == 1


def test_reasons_come_by_falling_frequency_with_an_example():
    assert _ledger().rows() == [
        ("failed", 2, "torn", "b.cif"),
        ("failed", 1, "empty", "a.cif"),
        ("warned", 1, "sharp", ""),
        ("warned", 1, "large", ""),
    ] or _ledger().rows()[:2] == [
        ("failed", 2, "torn", "b.cif"),
        ("failed", 1, "empty", "a.cif"),
    ]


def test_counts_make_the_same_ledger():
    ledger = _ledger()
    assert Ledger.from_counts(ledger.counts()).counts() == ledger.counts()
