"""What the blocks of a network make of the same pairs, made once."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from torch import Tensor

T = TypeVar("T")


class Shared:
    """Remembers results for one pass, in which the tensors they are of stay as is."""

    def __init__(self) -> None:
        self._results: dict[tuple[Hashable, ...], tuple[tuple[Any, ...], Any]] = {}

    def make(self, function: Callable[..., T], *sources: Tensor | Hashable) -> T:
        """Return ``function(*sources)``, of the same tensors what it was before."""
        names = [id(s) if isinstance(s, Tensor) else s for s in sources]
        key = (function, *names)
        if key not in self._results:  # with the tensors: no others get their ids
            self._results[key] = sources, function(*sources)
        result: T = self._results[key][1]
        return result
