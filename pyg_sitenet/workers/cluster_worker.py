"""What the processes of a cluster do: check that they fit, then answer blocks."""

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
    """Return the versions of all that decides about results, and a hash of our code."""
    libraries = library_versions()
    return libraries | {"pyg-sitenet": f"{__version__} (code {code_hash()[:8]})"}


def answer_block(
    get_function: Callable[[Any], bytes],
    place: Any,  # noqa: ANN401 - a reference of the cluster
    block: bytes,
    wanted: Mapping[str, str],
    host: str,
) -> bytes:
    """Compute a function of a block, in a process that may have computed it before.

    Args:
        get_function: Fetches the pickled function from its place.
        place: Where it is.
        block: The pickled block. Like the function it comes from the process that
            asks, never from a file.
        wanted: The versions that process has.
        host: Name of this machine, for messages.

    Returns:
        What :func:`~pyg_sitenet.workers.pool_worker.open_answer` opens.
    """

    def compute(content: bytes) -> Any:  # noqa: ANN401
        _check(wanted, host)
        return _function(get_function, place)(pickle.loads(content))

    return answer(compute, block)


@lru_cache(maxsize=1)
def _function(get_function: Callable[[Any], bytes], place: Any) -> Callable[[Any], Any]:  # noqa: ANN401
    function: Callable[[Any], Any] = pickle.loads(get_function(place))
    return function


def _check(wanted: Mapping[str, str], host: str) -> None:
    found = versions()
    for name, version in wanted.items():
        if found[name] != version:
            raise ClusterError(
                f"the cluster's machine {host} has {name} {found[name]}, this one "
                f"{version}; install the same version on all"
            )
