"""Time and memory of ``sitenet analyze`` on the 1,056 bundled crystals.

The model is the ready one of the band gap, with 100 atoms around each site:

    python benchmarks/analysis_time.py
"""

from __future__ import annotations

import resource
import sys
import tempfile
from pathlib import Path

from machine import describe_machine
from soak import sampled


def main() -> None:
    """Analyse once, and print what it took."""
    print(describe_machine())
    program = Path(sys.executable).with_name("sitenet")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [str(program), "analyze", "band-gap", "dielectric"]
        command += ["--output", str(folder / "analysis")]
        run = sampled(command, folder / "analysis", folder / "log.txt")
        counts = (folder / "log.txt").read_text(encoding="utf-8").splitlines()[0]
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    processors = used.ru_utime + used.ru_stime
    print(f"{counts}; {run.seconds:.0f} s, of processors {processors:.0f} s")
    print(f"peak of all processes {run.peak:.0f} MB")


if __name__ == "__main__":
    main()
