import re
import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).parents[1] / "benchmarks" / "soak.py"


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["prepare", "predict"])
def test_killed_ten_times_the_files_are_the_same_and_memory_is_flat(stage, tmp_path):
    words = ["--crystals", 6000, "--kills", 10, "--folder", tmp_path]
    done = subprocess.run(
        [sys.executable, SOAK, *map(str, words), "--stages", stage],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "byte-equal to those of the uninterrupted run" in done.stdout
    assert done.stdout.count("kill ") == 10
    peak = re.search(r"peak (\d+) MB", done.stdout)
    assert peak is not None
    assert int(peak[1]) < 1500
