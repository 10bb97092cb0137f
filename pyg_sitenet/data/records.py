"""What a source yields: a crystal that was read, or the reason why one was not."""

from __future__ import annotations

from dataclasses import dataclass, field

from pymatgen.core import Structure


@dataclass(frozen=True, slots=True)
class Record:
    """A checked crystal with its targets.

    Args:
        id: Name of the crystal, unique within its source.
        structure: The crystal as it was given (any cell).
        targets: Value of each target that was asked for; NaN for one not known.
        origin: Where it came from: a file, or a table with the number of the row.
        warnings: What a user should know about it although it can be used.
        group: What it must not be parted from others of, if that was asked for.
    """

    id: str
    structure: Structure
    targets: dict[str, float] = field(default_factory=dict)
    origin: str = ""
    warnings: tuple[str, ...] = ()
    group: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """An input that could not be used.

    Args:
        origin: Where it came from: a file, or a table with the number of the row.
        id: Name of the crystal, as far as it is known.
        stage: The step that refused it: ``"table"``, ``"read"``,
            ``"encode"``, ``"target"`` or ``"predict"``.
        reason: Why, in one line.
        remedy: What to do about it, in one line.
    """

    origin: str
    id: str
    stage: str
    reason: str
    remedy: str

    def sentence(self) -> str:
        """Return where, why and what to do, in one line."""
        is_told = self.reason.startswith(self.origin)
        where = "" if is_told else f"{self.origin}: "
        return f"{where}{self.explanation()}"

    def explanation(self) -> str:
        """Return why and what to do."""
        is_told = self.reason.endswith(f"; {self.remedy}") or not self.remedy
        return self.reason if is_told else f"{self.reason}; {self.remedy}"


def remedy_of(reason: str, default: str) -> str:
    """Return the remedy that ends the text of an error, or else another.

    Example:
        >>> remedy_of("a.cif: a torn file; export it again", "remove it")
        'export it again'
    """
    return reason.rpartition("; ")[2] if "; " in reason else default
