"""The tensors of a published checkpoint; nothing in the file is ever executed."""

from __future__ import annotations

import pickle
import re
import warnings
from pathlib import Path

import torch
from torch import Tensor

from pyg_sitenet.atomic_write import DAMAGE, check_stored
from pyg_sitenet.brief import brief_line
from pyg_sitenet.errors import ModelFileError


def read_checkpoint(path: str | Path) -> dict[str, Tensor]:
    """Read the weights of a PyTorch Lightning checkpoint, or of a bare state dict.

    Only tensors and plain values are read (``weights_only``): a file that names
    anything else to be called is refused, and nothing of it has run.

    Raises:
        ModelFileError: If the file is missing, damaged, holds anything that would have
            to be executed, or no weights.
    """
    if Path(path).exists() and not Path(path).is_file():
        raise ModelFileError(f"{path}: no file; expected a checkpoint (.ckpt)")
    try:
        check_stored(Path(path))
        with warnings.catch_warnings():  # torch advises on how the file was pickled
            warnings.simplefilter("ignore", UserWarning)
            content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        reason = error.strerror or error
        raise ModelFileError(f"{path}: cannot be read: {reason}") from error
    except pickle.UnpicklingError as error:
        raise ModelFileError(
            f"{path}: refused, nothing of it was run: it is no checkpoint, or holds "
            f"more than tensors and plain values ({_refusal(error)}); if you trust its "
            "origin, save its state_dict alone with torch.save"
        ) from error
    except DAMAGE as error:
        # That of a LookupError is a mere number or name.
        reason = "" if isinstance(error, LookupError) else f": {brief_line(error)}"
        raise ModelFileError(
            f"{path}: not a PyTorch checkpoint, or damaged{reason}; expected a file "
            "that PyTorch Lightning or torch.save wrote"
        ) from error
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    tensors = {
        name: value
        for name, value in (state.items() if isinstance(state, dict) else ())
        if isinstance(name, str) and isinstance(value, Tensor)
    }
    if not tensors:
        raise ModelFileError(
            f"{path}: holds no weights; expected a checkpoint with a state_dict"
        )
    return tensors


def _refusal(error: pickle.UnpicklingError) -> str:
    """Take from torch's page of advice the line that says what it did not accept."""
    sentence = re.search(
        r"(?i)\bunsupported .+?(?=\. Please|\.?$)", str(error), re.MULTILINE
    )
    return brief_line(sentence[0] if sentence else error)
