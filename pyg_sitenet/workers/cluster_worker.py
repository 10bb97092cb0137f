"""What the processes of a cluster do: compare versions, then compute blocks."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Any

from pyg_sitenet.errors import ClusterError
from pyg_sitenet.version import __version__, code_hash, library_versions
from pyg_sitenet.workers.pool_worker import answer


@cache
def versions() -> dict[str, str]:
    """Return the versions of all libraries that affect results, and of our code."""
    libraries = library_versions()
    return libraries | {"pyg-sitenet": f"{__version__} (code {code_hash()[:8]})"}


def answer_block(
    function: bytes, block: bytes, expected: Mapping[str, str], host: str
) -> bytes:
    """Compute a function of a block, after a check that versions are equal.

    Args:
        function: The pickled function. Like the block it comes from the process that
            asks, never from a file.
        block: The pickled block.
        expected: The versions that process has.
        host: Name of this machine, for messages.

    Returns:
        What :func:`~pyg_sitenet.workers.pool_worker.open_answer` opens.
    """

    def compute(content: bytes) -> Any:  # noqa: ANN401
        _check_versions(expected, host)
        return _load(function)(pickle.loads(content))  # nosec B301

    return answer(compute, block)


@lru_cache(maxsize=1)
def _load(function: bytes) -> Callable[[Any], Any]:
    """Unpickle a function, once for all blocks that a process computes."""
    loaded: Callable[[Any], Any] = pickle.loads(function)  # nosec B301
    return loaded


def _check_versions(expected: Mapping[str, str], host: str) -> None:
    own = versions()
    for name, version in expected.items():
        if own[name] != version:
            raise ClusterError(
                f"the cluster's machine {host} has {name} {own[name]}, this one "
                f"{version}; install the same version on all"
            )
