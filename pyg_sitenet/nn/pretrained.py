"""Weights in a folder or on the Hugging Face Hub: a config beside safetensors."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from pyg_sitenet.config import ModelConfig
from pyg_sitenet.errors import ModelFileError, SiteNetError
from pyg_sitenet.nn.output_layout import OutputLayout, TargetOutputs

CONFIG_NAME = "config.json"
WEIGHTS_NAME = "model.safetensors"
_MODEL_TYPE = "pyg_sitenet"
P = TypeVar("P", bound="Pretrained")


class Pretrained(nn.Module):
    """What lets a network be saved, loaded and uploaded in that manner.

    Attributes:
        config: Sizes and options; the first argument of the class.
        layout: What the outputs are; its argument ``layout``.
    """

    config: ModelConfig
    layout: OutputLayout

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write weights and sizes to a folder (``config.json``, safetensors).

        This is the network alone. What a prediction needs beside it, such as targets,
        units and how crystals are encoded, is in the model file of a run.

        Raises:
            ModelFileError: If the folder cannot be written.
        """
        return save_folder(self, folder)

    @classmethod
    def from_pretrained(cls: type[P], source: str | Path, **options: str | None) -> P:
        """Load what :meth:`save_pretrained` or :meth:`push_to_hub` wrote.

        Args:
            source: A folder, or the name of a repository such as ``owner/name`` on the
                Hugging Face Hub.
            **options: For the Hub, such as ``revision``, ``token`` or ``cache_dir``.

        Returns:
            The network in evaluation mode.

        Raises:
            ModelFileError: If files are missing or damaged.
            SiteNetError: If it is no folder and ``huggingface_hub`` is not installed.
        """
        folder = Path(source)
        if not folder.is_dir():
            folder = download(str(source), **options)
        return load_folder(cls, folder)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        commit_message: str = "Upload Site-Net",
        private: bool = False,
        token: str | None = None,
    ) -> str:
        """Upload to the Hugging Face Hub and return the address of the commit.

        Args:
            repo_id: ``owner/name``; the repository is made if there is none.
            commit_message: What the history says.
            private: Whether a new repository is hidden from others.
            token: Of your account. (default: that of ``hf auth login``)

        Raises:
            SiteNetError: If ``huggingface_hub`` is not installed.
        """
        return upload(
            self, repo_id, message=commit_message, private=private, token=token
        )


def save_folder(model: Pretrained, folder: str | Path) -> Path:
    """Write ``config.json`` and ``model.safetensors`` of a network into a folder.

    Raises:
        ModelFileError: If the folder cannot be written.
    """
    folder = Path(folder)
    config = {
        "model_type": _MODEL_TYPE,
        "outputs": [
            {"name": one.name, "classes": one.classes, "transform": one.transform}
            for one in model.layout.targets
        ],
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


def load_folder(kind: Callable[..., P], folder: Path) -> P:
    """Build the network of a folder that :func:`save_folder` wrote.

    Raises:
        ModelFileError: If a file is missing, damaged or does not fit the other.
    """
    path = folder / CONFIG_NAME
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        config = ModelConfig.model_validate(values["config"])
        model = kind(config, layout=_read_layout(values["outputs"]))
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


def _read_layout(outputs: Sequence[Mapping[str, Any]]) -> OutputLayout:
    targets: list[TargetOutputs] = []
    for one in outputs:
        start = targets[-1].columns.stop if targets else 0
        classes = tuple(map(str, one["classes"]))
        name, transform = str(one["name"]), str(one["transform"])
        targets.append(TargetOutputs(name, start, classes, transform))
    return OutputLayout(tuple(targets))


def download(repo: str, **options: Any) -> Path:  # noqa: ANN401 - handed on
    """Fetch a repository of the Hugging Face Hub and return its local folder.

    Raises:
        SiteNetError: If ``huggingface_hub`` is not installed.
    """
    hub = _import_hub(f"{repo}: no such folder; to load it from the Hub")
    patterns = [CONFIG_NAME, WEIGHTS_NAME]
    return Path(hub.snapshot_download(repo, allow_patterns=patterns, **options))


def upload(
    model: Pretrained, repo: str, *, message: str, private: bool, token: str | None
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
