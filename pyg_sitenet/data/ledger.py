"""What became of the inputs of a run: how many were used, and why others were not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from pyg_sitenet.data.records import Failure


class Used(Protocol):
    """A crystal that was used: encoded, or predicted."""

    @property
    def warnings(self) -> Sequence[str]:
        """What a user should know about it."""
        ...


class Ledger:
    """Counts inputs by what became of them; takes no memory for those that were used.

    Attributes:
        used: Crystals that were used.
        filtered: Crystals that a filter of the user left out.
        warned: Crystals that were used and have a warning.
        failed_by_reason: Inputs that failed, by reason.
        warned_by_reason: Crystals by warning; one with two counts in both.

    Example:
        >>> ledger = Ledger()
        >>> ledger.add(Failure("a.cif", "a", "read", "it is empty", "repair it"))
        >>> ledger.counts()["failed_by_reason"]
        {'it is empty': 1}
    """

    def __init__(self) -> None:
        self.used = self.filtered = self.warned = 0
        self.failed_by_reason: Counter[str] = Counter()
        self.warned_by_reason: Counter[str] = Counter()
        self._examples: dict[str, str] = {}

    @classmethod
    def from_counts(cls, counts: Mapping[str, Any]) -> Ledger:
        """Return the ledger that had these counts, without the examples."""
        ledger = cls()
        ledger.used, ledger.filtered = counts["used"], counts["filtered"]
        ledger.warned = counts["warned"]
        ledger.failed_by_reason.update(counts["failed_by_reason"])
        ledger.warned_by_reason.update(counts["warned_by_reason"])
        return ledger

    def add(self, result: Used | Failure | None) -> None:
        """Count a result; None was left out by a filter."""
        if result is None:
            self.filtered += 1
        elif isinstance(result, Failure):
            self.add_failure(result)
        else:
            self.add_used(1, [result.warnings] if result.warnings else [])

    def add_failure(self, failure: Failure) -> None:
        """Count an input that could not be used."""
        self.failed_by_reason[failure.reason] += 1
        self._examples.setdefault(failure.reason, failure.origin)

    def add_used(self, number: int, warnings: Sequence[Sequence[str]] = ()) -> None:
        """Count crystals that were used; ``warnings`` of those that have any."""
        self.used += number
        for texts in warnings:
            self.warned += 1
            self.warned_by_reason.update(set(texts))

    @property
    def failed(self) -> int:
        """Inputs that could not be used."""
        return self.failed_by_reason.total()

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
            "failed_by_reason": dict(self.failed_by_reason.most_common()),
            "warned_by_reason": dict(self.warned_by_reason.most_common()),
        }

    def rows(self) -> list[tuple[str, int, str, str]]:
        """Return ``failed`` or ``warned``, number, reason and an example of its origin.

        The most frequent come first, failures before warnings.
        """
        return [
            (kind, number, reason, self._examples.get(reason, ""))
            for kind, found in (
                ("failed", self.failed_by_reason),
                ("warned", self.warned_by_reason),
            )
            for reason, number in found.most_common()
        ]
