"""How a search was begun, kept in its folder: it is continued as it was begun."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from pyg_sitenet.config import Config, search_space
from pyg_sitenet.errors import ConfigError

PLAN = "search_plan.json"
"""Its file in the folder of the search."""
_OPTIONS = {
    "num_trials": "--trials",
    "settings": "--search",
    "concurrent": "--concurrent",
    "grace_epochs": "--grace-epochs",
}


class SearchPlan(BaseModel):
    """What is searched, and by how many trials; the arguments of :func:`tune`."""

    num_trials: int = 50
    settings: tuple[str, ...] = tuple(search_space(Config))
    concurrent: int | None = None
    grace_epochs: int = 10


def make_plan(folder: Path, given: Mapping[str, Any], *, resume: bool) -> SearchPlan:
    """Return the plan of a new search, or the one that a search was begun with.

    Args:
        folder: Of the search.
        given: Fields of the plan; those that are ``None`` are left to it.
        resume: Whether the search in the folder is to be continued.

    Raises:
        ConfigError: If that has another plan, or its plan cannot be read.
    """
    given = {name: value for name, value in given.items() if value is not None}
    if not resume:
        return SearchPlan(**given)
    path = folder / PLAN
    plan = _read(path)
    for name, value in given.items():
        before = getattr(plan, name)
        if _plain(value) != _plain(before):
            raise ConfigError(
                f"{path}: the search to continue has {name} = {_shown(before)}, not"
                f" {_shown(value)}; leave it out ({_OPTIONS[name]}) to continue, or"
                " start a new search in another folder to change it"
            )
    return plan


def _read(path: Path) -> SearchPlan:
    try:
        return SearchPlan.model_validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is damaged"
        raise ConfigError(
            f"{path}: does not say how the search to continue was begun: {reason};"
            " start a new search in another folder"
        ) from error


def _plain(value: object) -> object:
    """Return names without their order, which changes nothing."""
    return {*value} if isinstance(value, tuple) else value


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(value)
    return "the default" if value is None else str(value)
