"""Environments by name: what each unique site of a primitive cell attends to."""

from __future__ import annotations

from collections.abc import Callable

from pyg_sitenet.data.geometry.lattice import Floats
from pyg_sitenet.data.geometry.sphere import sphere_pairs
from pyg_sitenet.data.geometry.supercell import Pairs, supercell_pairs
from pyg_sitenet.errors import ConfigError

# (primitive cell [3, 3], fractional coordinates [n, 3], max_atoms) -> Pairs
Environment = Callable[[Floats, Floats, int], Pairs]

ENVIRONMENTS: dict[str, Environment] = {
    "supercell": supercell_pairs,
    "sphere": sphere_pairs,
}


def find_environment(name: str) -> Environment:
    """Return the environment of that name.

    Raises:
        ConfigError: If there is none.
    """
    if name not in ENVIRONMENTS:
        names = ", ".join(sorted(ENVIRONMENTS))
        raise ConfigError(f"unknown environment {name!r}, expected one of: {names}")
    return ENVIRONMENTS[name]
