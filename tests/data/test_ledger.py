from __future__ import annotations

import json

from pymatgen.core import Structure

from pyg_sitenet.data.ledger import MAX_REASONS, OTHER_REASONS, Ledger
from pyg_sitenet.data.records import Failure, Record


def _failure(number: int, reason: str) -> Failure:
    return Failure(f"{number}.cif", str(number), "read", reason, "repair it")


def _filled(nacl: Structure) -> Ledger:
    ledger = Ledger()
    for number in range(3):
        ledger.add(_failure(number, f"{number}.cif: line {number + 7} is torn"))
    ledger.add(_failure(3, "empty"))
    ledger.add(None)
    ledger.add(Record("a", nacl, {}, "a.cif"))
    ledger.add(Record("b", nacl, {}, "b.cif", ("rounded", "never seen Xe", "rounded")))
    ledger.add(Record("c", nacl, {}, "c.cif", ("never seen Kr, Ar",)))
    return ledger


def test_every_input_is_counted_once(nacl: Structure) -> None:
    ledger = _filled(nacl)
    assert (ledger.read, ledger.used, ledger.failed) == (8, 3, 4)
    assert (ledger.filtered, ledger.warned) == (1, 2)


def test_reasons_are_grouped_with_an_example(nacl: Structure) -> None:
    assert _filled(nacl).rows() == [
        ("failed", 3, "0.cif: line 7 is torn", "0.cif"),
        ("failed", 1, "empty", "3.cif"),
        ("warned", 2, "never seen Xe", "b.cif"),
        ("warned", 1, "rounded", "b.cif"),
    ]


def test_names_numbers_and_elements_make_no_new_reason() -> None:
    ledger = Ledger()
    for reason in (
        "atoms 1 (Na) and 2 (Cl-) are 0.04 A apart, less than 0.5 A",
        "atoms 31 (Fe3+) and 12 (O) are 1.4e-05 A apart, less than 0.5 A",
        "one site is occupied by Na:0.5, K:0.5; give an approximant",
        "one site is occupied by Fe:0.25; give an approximant",
        "the id 'a b' is already used",
        "the id 'Fe2O3' is already used",
        "this is no CIF",
    ):
        ledger.add(_failure(0, reason))
    assert list(ledger.failed_by_reason.values()) == [2, 2, 2, 1]


def test_ledger_goes_on_from_its_counts(nacl: Structure) -> None:
    ledger = _filled(nacl)
    again = Ledger.from_counts(json.loads(json.dumps(ledger.counts())))
    for item in (ledger, again):
        item.add(_failure(9, "9.cif: line 99 is torn"))
        item.add(_failure(10, "something else"))
    assert again.counts() == ledger.counts()
    assert again.rows() == ledger.rows()


def test_memory_is_bounded_whatever_the_reasons() -> None:
    ledger = Ledger()
    words = [f"{a}{b}{c}" for a in "bcdfghjklm" for b in "bcdfghjklm" for c in "qrxyz"]
    for word in [f"{start} {end}" for start in words[:50] for end in words[:50]]:
        ledger.add(_failure(0, word))
    assert ledger.failed == 2500
    assert len(ledger.failed_by_reason) == MAX_REASONS + 1
    assert ledger.failed_by_reason[OTHER_REASONS] == 2500 - MAX_REASONS
