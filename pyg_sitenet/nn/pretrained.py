"""Weights in a folder or on the Hugging Face Hub: a config beside safetensors."""

from __future__ import annotations

import json
import tempfile
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from pyg_sitenet.config import ModelConfig
from pyg_sitenet.errors import ModelFileError, SiteNetError

if TYPE_CHECKING:
    from pyg_sitenet.nn.site_net import SiteNet

CONFIG_NAME = "config.json"
WEIGHTS_NAME = "model.safetensors"
_MODEL_TYPE = "pyg_sitenet"


def save_folder(model: SiteNet, folder: str | Path) -> Path:
    """Write ``config.json`` and ``model.safetensors`` of a network into a folder.

    Raises:
        ModelFileError: If the folder cannot be written.
    """
    folder = Path(folder)
    config = {
        "model_type": _MODEL_TYPE,
        "num_targets": model.target_mean.numel(),
        "config": model.config.model_dump(mode="json"),
    }
    tensors = {name: one.contiguous() for name, one in model.state_dict().items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(tensors, folder / WEIGHTS_NAME, metadata={"format": "pt"})
        text = json.dumps(config, indent=2) + "\n"
        (folder / CONFIG_NAME).write_text(text, encoding="utf-8")
    except (OSError, SafetensorError) as error:
        raise ModelFileError(f"{folder}: cannot be written: {error}") from error
    return folder


def load_folder(kind: type[SiteNet], folder: Path) -> SiteNet:
    """Build the network of a folder that :func:`save_folder` wrote.

    Raises:
        ModelFileError: If a file is missing, damaged or does not fit the other.
    """
    path = folder / CONFIG_NAME
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        config = ModelConfig.model_validate(values["config"])
        model = kind(config, num_targets=int(values["num_targets"]))
        model.load_state_dict(load_file(folder / WEIGHTS_NAME))
    except OSError as error:
        raise ModelFileError(
            f"{folder}: cannot be read: {error}; expected {CONFIG_NAME} and "
            f"{WEIGHTS_NAME} as save_pretrained writes them"
        ) from error
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise ModelFileError(
            f"{path}: not the description of a Site-Net: {_line(error)}"
        ) from error
    except (SafetensorError, RuntimeError) as error:
        raise ModelFileError(
            f"{folder / WEIGHTS_NAME}: damaged, or does not fit {CONFIG_NAME}: "
            f"{_line(error)}"
        ) from error
    return model.eval()


def download(repo: str, **options: Any) -> Path:  # noqa: ANN401 - handed on
    """Fetch a repository of the Hugging Face Hub and return its local folder.

    Raises:
        SiteNetError: If ``huggingface_hub`` is not installed.
    """
    hub = _import_hub(f"{repo}: no such folder; to load it from the Hub")
    patterns = [CONFIG_NAME, WEIGHTS_NAME]
    return Path(hub.snapshot_download(repo, allow_patterns=patterns, **options))


def upload(
    model: SiteNet, repo: str, *, message: str, private: bool, token: str | None
) -> str:
    """Upload a network to a repository of the Hub, made if need be.

    Returns:
        The address of the commit.

    Raises:
        SiteNetError: If ``huggingface_hub`` is not installed.
    """
    hub = _import_hub(f"{repo}: to upload a model")
    api = hub.HfApi(token=token)
    api.create_repo(repo, private=private, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        save_folder(model, folder)
        done = api.upload_folder(
            repo_id=repo, folder_path=folder, commit_message=message
        )
    return str(done)


def _import_hub(purpose: str) -> Any:  # noqa: ANN401 - a module
    try:
        return import_module("huggingface_hub")
    except ImportError as error:
        raise SiteNetError(
            f"{purpose} the package huggingface_hub is needed; install it with "
            "pip install huggingface_hub"
        ) from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
