"""How a file of the corpus is judged: the right crystal, or why there is none."""

from __future__ import annotations

import re
import signal
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from pyg_sitenet.data.graph.encode import encode_structure
from pyg_sitenet.data.graph.encoder import Encoder
from pyg_sitenet.data.records import Failure, Record
from pyg_sitenet.data.sources import open_source
from pyg_sitenet.errors import DataError, SiteNetWarning, StructureError

# Far more than any file here takes: a hang must fail one test, not stop the suite.
_LIMIT, _SLOW_LIMIT = 120, 7200


@dataclass(frozen=True)
class Outcome:
    """What came of a source: structures with their warnings, and reasons."""

    records: list[Record]
    reasons: list[str]


@pytest.fixture(autouse=True)
def _no_hang(request: pytest.FixtureRequest) -> Iterator[None]:
    limit = _SLOW_LIMIT if request.node.get_closest_marker("slow") else _LIMIT

    def stop(*_: object) -> None:
        # No exception that the border of reading would turn into a failure.
        pytest.fail(f"hangs: not done within {limit} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(limit)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def read() -> Callable[..., Outcome]:
    """Read a source to its end; every reason must be one line that tells where."""

    def run(source: str | Path | list[Path], targets: tuple[str, ...] = ()) -> Outcome:
        try:
            result = list(open_source(source, targets))
        except DataError as error:
            return Outcome([], [_one_line(str(error))])
        # Disordered crystals are read, and refused when they are encoded.
        result = [
            Encoder()(item)
            if isinstance(item, Record) and not item.structure.is_ordered
            else item
            for item in result
        ]
        failures = [item for item in result if isinstance(item, Failure)]
        assert all(
            failure.origin and failure.remedy and failure.stage for failure in failures
        )
        records = [item for item in result if isinstance(item, Record)]
        return Outcome(records, [_one_line(failure.reason) for failure in failures])

    return run


@pytest.fixture
def judge(tmp_path: Path, read: Callable[..., Outcome]) -> Callable[..., None]:
    """Write a file and compare what is read from it with what is expected.

    ``expected`` is a pattern for the reason, or formula, number of sites, volume in
    cubic angstrom and, where it tells more, the shortest distance in angstrom.
    """

    def run(
        name: str,
        content: str | bytes,
        expected: str | tuple[object, ...],
        targets: tuple[str, ...] = (),
    ) -> None:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        outcome = read(path, targets)
        if isinstance(expected, str):
            assert not outcome.records, outcome.records[0].structure
            assert len(outcome.reasons) == 1
            assert re.search(expected, outcome.reasons[0]), outcome.reasons[0]
            return
        assert outcome.reasons == []
        (record,) = outcome.records
        assert_crystal(record, *expected)

    return run


def assert_crystal(
    record: Record,
    formula: str,
    num_sites: int,
    volume: float,
    shortest: float | None = None,
) -> None:
    """Compare a crystal with what is known of it, and encode it."""
    structure = record.structure
    assert structure.composition.reduced_formula == formula
    assert len(structure) == num_sites
    assert structure.volume == pytest.approx(volume, rel=1e-4)
    if shortest is not None:
        distances = structure.distance_matrix + 1e6 * np.eye(num_sites)
        assert distances.min() == pytest.approx(shortest, abs=2e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SiteNetWarning)
        data = encode_structure(structure, max_atoms=12, environment="sphere")
    assert np.isfinite(data.edge_attr.numpy()).all()


def encoding_error(structure: object) -> str:
    """Return why a structure cannot be encoded, or nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SiteNetWarning)
        try:
            encode_structure(structure, max_atoms=20)
        except StructureError as error:
            return str(error)
    return ""


def _one_line(reason: str) -> str:
    assert "\n" not in reason
    assert reason.strip()
    assert "Traceback" not in reason
    assert len(reason) < 1500
    return reason
