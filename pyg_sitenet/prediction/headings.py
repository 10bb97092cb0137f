"""What the columns of tables are called that hold targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyg_sitenet.errors import ConfigError
from pyg_sitenet.nn.output_layout import TargetOutputs

# What tables of predictions, evaluations and analyses say beside the targets.
_TAKEN = frozenset(
    (
        *("id", "formula", "reason", "warnings", "novelty", "orderings", "misfit"),
        *("elements", "sites", "pairs", "volume [A^3]", "cube root of volume [A]"),
        *(
            f"{kind} complexity [bit]"
            for kind in ("combinatorial", "coordinational", "configurational")
        ),
        *("long range [A]", "environment", "max_atoms", "atoms", "aspect ratio"),
        *("inscribed radius [A]", "is reference", "size", "complexity"),
    )
)
_MARK = " (target)"
_BEFORE = ("known", "predicted", "spread", "change of", "error of")
_BEHIND = ("lower", "upper", "set", "members std", "std", "min", "max")


def with_unit(name: str, unit: str) -> str:
    """Return a heading: a name, and its unit in brackets if it has one."""
    return f"{name} [{unit}]" if unit else name


def column_name(target: str, units: Mapping[str, str]) -> str:
    """Return the heading of a target in tables: its name, and its unit in brackets.

    Where tables have a column of that name themselves it is marked as the target.

    Example:
        >>> column_name("gap", {"gap": "eV"}), column_name("novelty", {})
        ('gap [eV]', 'novelty (target)')
    """
    unit = units.get(target, "")
    heading = with_unit(target, unit)
    is_taken = heading in _TAKEN or target.endswith(_MARK)
    return with_unit(target + _MARK, unit) if is_taken else heading


def check_columns(targets: Sequence[TargetOutputs]) -> None:
    """Check that no target is called as a column that tables have for another one.

    Raises:
        ConfigError: If one is.
    """
    names = {target.name for target in targets}
    for target in targets:
        name = target.name
        derived = [f"{word} {name}" for word in _BEFORE]
        derived += [f"{output} {word}" for output in target.outputs for word in _BEHIND]
        derived += target.outputs if target.classes else [f"{name}{_MARK}"]
        for other in derived:
            if other in names - {name}:
                raise ConfigError(
                    f"the target {other!r} has the name of a column that tables of"
                    f" predictions have for the target {name!r}; rename one of the two"
                    " in the data, or learn them one after the other"
                )
