"""What became of the inputs of a run: how many were used, and why others were not."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from ase.data import chemical_symbols

from pyg_sitenet.data.records import Failure

# Different reasons that are told apart at most, lest odd data fill the memory.
MAX_REASONS = 1000
OTHER_REASONS = "other reasons"
# Letters of a reason that tell its kind: what looks for particulars may look back.
_LONGEST_KIND = 1000
_KINDS = {"failed_by_reason": int, "warned_by_reason": int, "examples": str}

_SYMBOLS = "|".join(sorted(chemical_symbols[1:], key=len, reverse=True))
# What differs between two inputs that fail alike: names, elements, numbers.
_PARTICULARS = (
    (re.compile(r"'[^']*'|\"[^\"]*\""), "'...'"),
    (re.compile(rf"\b(?!CIF\b)(?:(?:{_SYMBOLS})[\d.]*[+-]?)+(?![A-Za-z0-9])"), "El"),
    (re.compile(r"[-+]?\b\d+(?:\.\d+)?(?:[eE][-+]?\d+)?\b"), "#"),
    (re.compile(r"El(?::#)?(?:, El(?::#)?)*"), "El"),
)


class Used(Protocol):
    """A crystal that was used: encoded, or predicted."""

    @property
    def origin(self) -> str:
        """Where it came from."""
        ...

    @property
    def warnings(self) -> Sequence[str]:
        """What a user should know about it."""
        ...


class Ledger:
    """Counts inputs by what became of them, in memory that does not grow with them.

    Reasons that differ in names, numbers or elements alone are one, for which the first
    that came stands.

    Attributes:
        used: Crystals that were used.
        filtered: Crystals that a filter of the user left out.
        warned: Crystals that were used and have a warning.
        failed_by_reason: Inputs that failed, by reason.
        warned_by_reason: Crystals by warning; one with two counts in both.

    Example:
        >>> ledger = Ledger()
        >>> ledger.add(Failure("a.cif", "a", "read", "line 3 is torn", "repair it"))
        >>> ledger.add(Failure("b.cif", "b", "read", "line 8 is torn", "repair it"))
        >>> ledger.counts()["failed_by_reason"]
        {'line 3 is torn': 2}
    """

    def __init__(self) -> None:
        self.used = self.filtered = self.warned = 0
        self.failed_by_reason: Counter[str] = Counter()
        self.warned_by_reason: Counter[str] = Counter()
        self._examples: dict[str, str] = {}  # the origin of each reason
        self._reasons: dict[str, str] = {}  # that stand for all of their kind

    @classmethod
    def from_counts(cls, counts: Mapping[str, Any]) -> Ledger:
        """Return the ledger that had these counts."""
        ledger = cls()
        ledger.used, ledger.filtered = int(counts["used"]), int(counts["filtered"])
        ledger.warned = int(counts["warned"])
        for name, kind in _KINDS.items():
            if not all(isinstance(value, kind) for value in counts[name].values()):
                raise TypeError(f"`{name}` is of another form")
        ledger.failed_by_reason.update(counts["failed_by_reason"])
        ledger.warned_by_reason.update(counts["warned_by_reason"])
        ledger._examples.update(counts["examples"])
        ledger._reasons = {
            _kind(reason, origin): reason for reason, origin in ledger._examples.items()
        }
        return ledger

    def add(self, result: Used | Failure | None) -> None:
        """Count a result; None was left out by a filter."""
        if result is None:
            self.filtered += 1
        elif isinstance(result, Failure):
            self.add_failure(result)
        else:
            self.used += 1
            self._warn(result.warnings, result.origin)

    def add_failure(self, failure: Failure) -> None:
        """Count an input that could not be used."""
        self.failed_by_reason[self._reason(failure.reason, failure.origin)] += 1

    def add_used(self, number: int, warnings: Iterable[Sequence[str]] = ()) -> None:
        """Count crystals that were used; ``warnings`` of those that have any."""
        self.used += number
        for texts in warnings:
            self._warn(texts, "")

    @property
    def failed(self) -> int:
        """Inputs that could not be used."""
        return sum(self.failed_by_reason.values())

    @property
    def read(self) -> int:
        """Inputs in all."""
        return self.used + self.filtered + self.failed

    def counts(self) -> dict[str, Any]:
        """Return all counts as plain values; reasons by falling frequency."""
        return {
            "read": self.read,
            "used": self.used,
            "filtered": self.filtered,
            "failed": self.failed,
            "warned": self.warned,
            "failed_by_reason": dict(_by_frequency(self.failed_by_reason)),
            "warned_by_reason": dict(_by_frequency(self.warned_by_reason)),
            "examples": dict(sorted(self._examples.items())),
        }

    def main_reasons(self) -> str:
        """Return the three most frequent reasons of failures, for a message."""
        reasons = _by_frequency(self.failed_by_reason)[:3]
        return "; ".join(f"{reason} ({number} times)" for reason, number in reasons)

    def rows(self) -> list[tuple[str, int, str, str]]:
        """Return ``failed`` or ``warned``, number, reason and an example of its origin.

        The most frequent come first, failures before warnings.
        """
        return [
            (kind, number, reason, self._examples[reason])
            for kind, reasons in (
                ("failed", self.failed_by_reason),
                ("warned", self.warned_by_reason),
            )
            for reason, number in _by_frequency(reasons)
        ]

    def _warn(self, texts: Sequence[str], origin: str) -> None:
        self.warned += bool(texts)
        self.warned_by_reason.update({self._reason(text, origin) for text in texts})

    def _reason(self, text: str, origin: str) -> str:
        """Return the reason that stands for all of the kind of this one."""
        kind = _kind(text, origin)
        if kind not in self._reasons and len(self._reasons) >= MAX_REASONS:
            kind, text, origin = OTHER_REASONS, OTHER_REASONS, ""
        reason = self._reasons.setdefault(kind, text)
        self._examples.setdefault(reason, origin)
        return reason


def _kind(text: str, origin: str) -> str:
    """Return what is left of a reason without the particulars of one input."""
    kind = text.replace(origin, "...") if origin else text
    kind = kind[:_LONGEST_KIND]
    for pattern, placeholder in _PARTICULARS:
        kind = pattern.sub(placeholder, kind)
    return kind


def _by_frequency(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
