"""Results in the shape that the Matbench board accepts."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from pyg_sitenet.atomic_write import replacing
from pyg_sitenet.data.readers.named.matbench_tasks import MatbenchTask
from pyg_sitenet.matbench.fold import FoldResult
from pyg_sitenet.version import __version__

_BENCHMARK = "matbench_v0.1"
_VERSION = "0.6"  # of the package `matbench` whose files look like this


def board_document(
    task: MatbenchTask, folds: Sequence[FoldResult], notes: Mapping[str, str]
) -> dict[str, Any]:
    """Return what ``MatbenchBenchmark.as_dict`` of the package ``matbench`` would.

    Args:
        task: The task.
        folds: Its folds; the board wants all five.
        notes: What to say about the run.
    """
    results = {f"fold_{result.fold}": _fold(result) for result in folds}
    document = {
        "@module": "matbench.bench",
        "@class": "MatbenchBenchmark",
        "version": _VERSION,
        "benchmark_name": _BENCHMARK,
        "datestamp": f"{datetime.now(timezone.utc):%Y.%m.%d %H:%M.%S}",
        "user_metadata": {
            "algorithm": "Site-Net",
            "software": f"pyg_sitenet {__version__}",
            **notes,
        },
        "tasks": {
            task.name: {
                "@module": "matbench.task",
                "@class": "MatbenchTask",
                "benchmark_name": _BENCHMARK,
                "dataset_name": task.name,
                "results": results,
            }
        },
    }
    text = json.dumps(document, sort_keys=True)
    return document | {"hash": hashlib.sha256(text.encode()).hexdigest()}


def write_board_file(path: Path, document: Mapping[str, Any]) -> None:
    """Write the document compressed, as a whole or not at all."""
    with replacing(path) as file:
        file.write(gzip.compress(json.dumps(document, sort_keys=True).encode()))


def _fold(result: FoldResult) -> dict[str, Any]:
    return {
        "data": {id_: float(value) for id_, value in result.predictions.items()},
        "parameters": result.parameters
        | {
            "seconds": float(result.seconds),
            "peak_memory_mb": result.peak_memory_mb,
            "num_crystals": result.num_crystals,
        },
        "scores": result.scores,
    }
