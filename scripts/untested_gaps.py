"""Draw crystals that neither made nor tested the ready band-gap model.

3,000 of the test part of the official fold 0 of matbench_mp_gap, drawn at random from
those that `train_band_gaps.py` left aside; none of them had a part in any choice::

    python scripts/untested_gaps.py matbench_mp_gap.json.gz untested.jsonl.gz
    sitenet evaluate band-gap untested.jsonl.gz
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from make_band_gaps import TASK, all_rows
from make_bundled_data import write_rows
from train_band_gaps import draw

NUM_CRYSTALS, SEED = 3_000, 77


def main() -> None:
    """Read the file named on the command line and write JSON lines."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path, help="matbench_mp_gap.json.gz")
    parser.add_argument("output", type=Path, help="file of JSON lines")
    args = parser.parse_args()
    rows = list(all_rows(args.file))
    tested = draw(rows)["test"]
    _, test = TASK.folds(np.zeros(len(rows)))[0]
    others = np.setdiff1d(test, tested)
    chosen = np.random.default_rng(SEED).permutation(others)[:NUM_CRYSTALS]
    write_rows((rows[k] for k in np.sort(chosen)), args.output)


if __name__ == "__main__":
    main()
