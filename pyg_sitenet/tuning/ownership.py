"""Whose search a folder holds: Ray pickles its state, so only one's own is continued.

A search leaves a note in a private folder of the user's cache that it was begun in its
folder. Where there is none, the files may be anybody's.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

from pyg_sitenet.atomic_write import write_text
from pyg_sitenet.cache_folder import user_cache_folder
from pyg_sitenet.errors import ConfigError, SiteNetError
from pyg_sitenet.file_locks import check_output_folder
from pyg_sitenet.nn.fast.native.private_folder import is_private, private_folder
from pyg_sitenet.tuning.plan import PLAN

_logger = logging.getLogger(__name__)

SETTINGS = "search.yaml"
"""What is not searched; a search is continued with the same alone."""


def note_own(folder: Path) -> None:
    """Note that this user has begun a search in a folder."""
    try:
        note = _note(folder)
        write_text(note, f"{folder}\n")
        note.chmod(0o600)
    except (OSError, ConfigError) as error:
        _logger.warning("the search can be continued with trust alone: %s", error)


def check_others(folder: Path, source: str) -> None:
    """Check that a search begun in a folder writes over nothing but another search.

    Args:
        folder: Of the search.
        source: Where the data are.

    Raises:
        SiteNetError: If the folder is that of the data, or holds files of others.
    """
    names = ("best.yaml", "trials.csv", "crystals.csv", "data.json", PLAN)
    check_output_folder(folder, names, [SETTINGS], source)


def check_own(folder: Path) -> None:
    """Check that this user has begun the search in a folder.

    Raises:
        SiteNetError: If not: reading its state would run whatever it names.
    """
    try:
        note = _note(folder)
        is_own = note.is_file() and is_private(note)
    except (OSError, ConfigError):
        is_own = False
    if not is_own:
        raise SiteNetError(
            f"{folder}: the search was not begun here by this user, and its state is"
            " pickled: reading it could run any program; begin it anew, or continue"
            " it with trust (--trust) if you know where all of its files come from"
        )


def _note(folder: Path) -> Path:
    digest = hashlib.sha256(bytes(folder)).hexdigest()[:32]
    return private_folder(user_cache_folder() / "searches") / digest
