"""Compile ``pair_layer.c`` for this processor."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from functools import cache
from importlib import resources
from pathlib import Path

PANEL = 16
"""Rows of the tables that the library takes are filled up to multiples of this."""
_FLAGS = (
    "-O3", "-march=native", "-shared", "-fPIC", f"-DPANEL={PANEL}",
    # What lets loops run in lanes, but keeps NaN, infinity and the order of sums that
    # are not said to be free.
    "-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-fopenmp-simd",
)  # fmt: skip
_OPTIONAL_FLAGS = (("-fopenmp", "-mprefer-vector-width=512"), ("-fopenmp",), ())
_SOURCES = ("inputs.h", "rows.h", "products.h", "parts.h", "pair_layer.c")
_SECONDS = 60


def compile_library(compiler: str, folder: Path) -> Path:
    """Write the library into an empty folder and return its path.

    Raises:
        OSError: If the compiler cannot be run, fails or writes nothing.
        subprocess.SubprocessError: If it takes too long.
    """
    for name, text in _sources().items():
        (folder / name).write_text(text, encoding="utf-8")
    code, library = folder / _SOURCES[-1], folder / "layer.so"
    for optional in _OPTIONAL_FLAGS:
        command = [compiler, *_FLAGS, *optional, str(code), "-o", str(library), "-lm"]
        run = subprocess.run(
            command, capture_output=True, check=False, timeout=_SECONDS
        )
        if run.returncode == 0 and library.is_file():
            return library
    message = run.stderr.decode("utf-8", errors="replace")
    raise OSError(f"{compiler} failed: {message}")


def build_identity(compiler: str) -> str:
    """Return a short name of all that the library depends on."""
    parts = [
        *_sources().values(),
        compiler,
        *_FLAGS,
        repr(_OPTIONAL_FLAGS),
        platform.platform(),
        _processor(),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


@cache
def _sources() -> dict[str, str]:
    folder = resources.files("pyg_sitenet.nn.fast.native")
    return {name: folder.joinpath(name).read_text("utf-8") for name in _SOURCES}


def _processor() -> str:
    """Name what ``-march=native`` depends on: home folders are shared by machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return "".join(sorted({x for x in lines if x.startswith(("model name", "flags"))}))
