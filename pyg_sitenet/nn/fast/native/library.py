"""Compile ``pair_layer.c`` once for this processor, and load it.

Where there is no compiler, or ``PYG_SITENET_NATIVE=0`` is set, PyTorch's own operations
serve.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import tempfile
from functools import cache
from importlib import resources
from pathlib import Path

logger = logging.getLogger(__name__)

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


@cache
def load_library() -> ctypes.CDLL | None:
    """Return the compiled library, or ``None`` where there is none."""
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("clang")
    if os.environ.get("PYG_SITENET_NATIVE") == "0" or compiler is None:
        return None
    folder = resources.files("pyg_sitenet.nn.fast.native")
    sources = {name: folder.joinpath(name).read_text() for name in _SOURCES}
    try:
        library = ctypes.CDLL(str(_compiled(compiler, sources)))
    except (OSError, subprocess.SubprocessError) as error:
        logger.info("no compiled layers, PyTorch's operations serve: %s", error)
        return None
    library.sitenet_run.argtypes = [*[ctypes.c_void_p] * 3, *[ctypes.c_int64] * 3]
    return library


def _compiled(compiler: str, sources: dict[str, str]) -> Path:
    """Return the library of these sources, compiler and processor, made if need be."""
    identity = "\0".join(
        [
            *sources.values(),
            compiler,
            *_FLAGS,
            repr(_OPTIONAL_FLAGS),
            platform.platform(),
            _processor(),
        ]
    )
    name = f"layer-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.so"
    folder = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser()
    target = folder / "pyg_sitenet" / name
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as work:
        for file, text in sources.items():
            Path(work, file).write_text(text, encoding="utf-8")
        code, made = Path(work, _SOURCES[-1]), Path(work, "layer.so")
        for optional in _OPTIONAL_FLAGS:
            command = [compiler, *_FLAGS, *optional, str(code), "-o", str(made), "-lm"]
            run = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=60
            )
            if run.returncode == 0:
                return made.replace(target)  # at once, so that no one loads half of it
    raise OSError(f"{compiler} failed: {run.stderr.strip()}")


def _processor() -> str:
    """Name what ``-march=native`` depends on: home folders are shared by machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return "".join(sorted({x for x in lines if x.startswith(("model name", "flags"))}))
