"""A full batch of crystals with nothing to merge trains in the memory that is said."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "scaling.py"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_full_batch_grows_by_at_most_600_mb():
    sizes = ["--atoms", "50", "--sites", "5", "--repeats", "1", "--threads", "1"]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *sizes, "--pairs", "600000"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    cells = [cell.strip() for cell in done.stdout.splitlines()[-1].split("|")]
    pairs, growth = int(cells[4]), float(cells[7])
    assert pairs > 590_000
    assert 0 < growth <= 600
