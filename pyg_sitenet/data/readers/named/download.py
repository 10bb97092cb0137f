"""Downloads that can be continued, are checked, and never leave half a file."""

from __future__ import annotations

import http.client
import logging
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

from pyg_sitenet.cache_folder import CACHE_VARIABLE
from pyg_sitenet.data.structure.text import hash_file
from pyg_sitenet.errors import DataError, reporting_os_error
from pyg_sitenet.safe_text import terminal_text

_logger = logging.getLogger(__name__)

_PIECE = 1 << 16
_SECONDS = 30
_ATTEMPTS = 4
_RANGE_NOT_SATISFIABLE = 416
_PARTIAL_CONTENT = 206

_CONNECTION_ERRORS = (OSError, http.client.HTTPException)


class _NoDetour(urllib.request.HTTPRedirectHandler):
    """Follows a redirect to the web alone, and none that gives up encryption."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        request = super().redirect_request(*args, **kwargs)
        before, after = args[0].full_url, args[5]
        allowed = ("https:",) if before.startswith("https:") else ("http:", "https:")
        if not after.lower().startswith(allowed):
            args[1].close()
            raise urllib.error.URLError(f"it is redirected to {after[:200]}")
        return request


_opener = urllib.request.build_opener(_NoDetour)


class _ShortError(OSError):
    """The connection ended before the file did."""


def download(url: str, path: Path, sha256: str | None = None) -> Path:
    """Download a file, or what is missing of it, unless it is there.

    What has arrived is kept in ``<path>.part`` and continued the next time. The file
    takes its name only when it is complete and its checksum right.

    Args:
        url: Address (http or https).
        path: Where to keep the file.
        sha256: Checksum that it must have, if it is known.

    Returns:
        ``path``.

    Raises:
        DataError: If there is no connection, the server refuses, the disk does, or the
            checksum is another.
    """
    if path.is_file():
        return path
    part = path.with_name(f"{path.name}.part")
    with reporting_os_error(path, f"choose another folder with {CACHE_VARIABLE}"):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        _fetch(url, part)
        checksum = hash_file(part)
        if sha256 is not None and checksum != sha256:
            part.unlink()
            raise DataError(
                f"{url}: the downloaded file has the checksum {checksum[:12]}, "
                f"expected {sha256[:12]}; it was deleted: try again, or another network"
            )
        os.replace(part, path)
    except _CONNECTION_ERRORS as error:
        raise DataError(f"{url}: cannot be downloaded: {_reason(error)}") from error
    return path


def _fetch(url: str, part: Path) -> None:
    """Download into a file, starting where it ends, again where the line breaks."""
    if urlsplit(url).scheme not in ("http", "https"):
        raise DataError(f"{url}: not an address that begins with https://")
    for attempt in range(1, _ATTEMPTS + 1):
        before = part.stat().st_size if part.exists() else 0
        try:
            _continue(url, part)
        except urllib.error.HTTPError as error:
            error.close()  # it holds the connection
            if error.code != _RANGE_NOT_SATISFIABLE or not before:
                raise
            part.unlink()  # longer than the file is now: begin anew
        except (_ShortError, TimeoutError, ConnectionError) as error:
            arrived = part.stat().st_size if part.exists() else 0
            if attempt == _ATTEMPTS or arrived == before:
                raise
            _logger.info("%s: %s; continued", url, error)
        else:
            return
    raise _ShortError("the server does not send the whole file")


def _continue(url: str, part: Path) -> None:
    num_bytes = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={num_bytes}-"} if num_bytes else {}
    request = urllib.request.Request(url, headers=headers)
    with _opener.open(request, timeout=_SECONDS) as response:
        if response.status != _PARTIAL_CONTENT:
            num_bytes = 0  # the server sends all of it
        length = response.headers.get("Content-Length")
        total = None if length is None else num_bytes + int(length)
        with part.open("ab" if num_bytes else "wb") as file, _progress() as bar:
            task = bar.add_task(
                escape(terminal_text(Path(url).name)), total=total, completed=num_bytes
            )
            while piece := response.read(_PIECE):
                file.write(piece)
                bar.advance(task, len(piece))
    if total is not None and part.stat().st_size < total:
        raise _ShortError(f"the connection ended after {part.stat().st_size} bytes")


def _progress() -> Progress:
    """Show the progress while a person is watching."""
    return Progress(
        "{task.description}",
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    )


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        words = str(error.reason).split()  # of a circle: two lines
        return f"the server says {error.code} {' '.join(words)}"
    inner = getattr(error, "reason", error)
    return str(getattr(inner, "strerror", None) or inner or type(error).__name__)
