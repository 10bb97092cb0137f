"""The compiled library: made once for this processor, tried once, then trusted.

It lies in a private folder of the user's cache, under a name that ends with the
SHA-256 of its bytes, and gets that name only after it gave PyTorch's numbers in a
process of its own (:mod:`~pyg_sitenet.nn.fast.native.self_test`). A file that is cut
off, changed or somebody else's is not loaded. Where there is no compiler, or none whose
library computes what it should, or with ``PYG_SITENET_NATIVE=0``, PyTorch's own
operations serve.
"""

from __future__ import annotations

import ctypes
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from pyg_sitenet.atomic_write import sync_folder, write_text
from pyg_sitenet.cache_folder import user_cache_folder
from pyg_sitenet.errors import ConfigError
from pyg_sitenet.nn.fast.native.compiler import build_identity, compile_library
from pyg_sitenet.nn.fast.native.private_folder import (
    digest,
    is_private,
    private_folder,
)

logger = logging.getLogger(__name__)

_SELF_TEST = "pyg_sitenet.nn.fast.native.self_test"
_SECONDS = 120
_LONGEST_REASON = 300


@cache
def load_library() -> ctypes.CDLL | None:
    """Return the compiled library, or ``None`` where there is none to be trusted."""
    compiler = _compiler()
    if os.environ.get("PYG_SITENET_NATIVE") == "0" or compiler is None:
        return None
    try:
        return open_library(_tested_library(compiler))
    except (OSError, ConfigError, subprocess.SubprocessError) as error:
        reason = " ".join(str(error).split())[:_LONGEST_REASON]
        logger.info("no compiled layers, PyTorch's operations serve: %s", reason)
        return None


def _compiler() -> str | None:
    """Return the path of a compiler, but of none in the current folder: data lie there.

    A PATH that has an empty or relative part finds programs there, too.
    """
    command = os.environ.get("CC")
    path = shutil.which(command or "cc") or command or shutil.which("clang")
    is_elsewhere = path is None or os.path.isabs(path) or shutil.which(path) is None
    return path if is_elsewhere else None


def open_library(path: Path) -> ctypes.CDLL:
    """Load a library and declare its function.

    Raises:
        OSError: If it cannot be loaded or has no such function.
    """
    library = ctypes.CDLL(str(path))
    try:
        run = library.sitenet_run
    except AttributeError as error:
        raise OSError(f"{path}: holds no function sitenet_run") from error
    run.argtypes = [*[ctypes.c_void_p] * 3, *[ctypes.c_int64] * 3]
    return library


def _tested_library(compiler: str) -> Path:
    """Return the library that this compiler made, made and tried if need be."""
    folder = private_folder(user_cache_folder() / "native")
    name = f"layer-{build_identity(compiler)}"
    for path in sorted(folder.glob(f"{name}-*.so")):
        if is_private(path) and path.stem == f"{name}-{digest(path)}":
            return path
    refusal = folder / f"{name}.refused"
    if refusal.exists():
        reason = refusal.read_text("utf-8", errors="replace")
        raise OSError(f"remove {refusal} to try again: {reason}")
    with tempfile.TemporaryDirectory(dir=folder) as work:
        library = compile_library(compiler, Path(work))
        library.chmod(0o700)
        target = folder / f"{name}-{digest(library)}.so"
        _try_out(library, refusal)
        _sync(library)
        library.replace(target)  # at once, so that nobody loads half of it
    sync_folder(folder)
    return target


def _try_out(library: Path, refusal: Path) -> None:
    """Compare the library with PyTorch in a process that may crash.

    What it got wrong is written to ``refusal``, so that later runs need not try again;
    a process that was killed or took too long says nothing about the library.

    Raises:
        OSError: If the library is not to be used.
        subprocess.SubprocessError: If it takes too long.
    """
    # Only absolute paths, so that nothing is imported from the current folder.
    package = str(Path(__file__).parents[4])
    paths = [package, *(path for path in sys.path if Path(path).is_absolute())]
    run = subprocess.run(
        [sys.executable, "-m", _SELF_TEST, str(library)],
        cwd=library.parent,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        check=False,
        timeout=_SECONDS,
    )
    if run.returncode == 0:
        return
    lines = run.stderr.decode("utf-8", errors="replace").strip().splitlines()
    reason = lines[-1] if lines else f"its process ended with {run.returncode}"
    reason = f"the compiled library failed its test: {reason}"
    if run.returncode != -getattr(signal, "SIGKILL", 9):
        write_text(refusal, reason[:_LONGEST_REASON], shared=True)
    raise OSError(reason)


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
