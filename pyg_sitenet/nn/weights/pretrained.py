"""Networks in a folder or on the Hugging Face Hub: config.json beside safetensors.

``huggingface_hub`` moves the files. Its ``PyTorchModelHubMixin`` is not used: where a
repository has no safetensors it loads a pickle.
"""

from __future__ import annotations

import json
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from pyg_sitenet.brief import brief_line
from pyg_sitenet.config import ModelConfig
from pyg_sitenet.errors import ModelFileError, SiteNetError
from pyg_sitenet.nn.output_layout import OutputLayout
from pyg_sitenet.nn.weights.weight_file import build_from_file

CONFIG_NAME = "config.json"
WEIGHTS_NAME = "model.safetensors"
_MAX_BYTES = 1024**2  # of config.json; ten thousand classes take half of it
P = TypeVar("P", bound="Pretrained")


class Pretrained(nn.Module):
    """A network that can be saved, loaded and uploaded as Hugging Face models are.

    Attributes:
        config: Sizes and options; the first argument of the class.
        layout: What the outputs are; its argument ``layout``.
    """

    config: ModelConfig
    layout: OutputLayout
    target_mean: Tensor
    target_scale: Tensor

    def widen_scaling(self) -> None:
        """Scale the outputs in double precision, and so give them in it.

        Total energies may differ in their eighth digit and later.
        """
        self.target_mean = self.target_mean.double()
        self.target_scale = self.target_scale.double()

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Tensor],
        prefix: str,
        *args: Any,  # noqa: ANN401 - as the base class
    ) -> None:
        """Widen the scaling if that of the weights to load is."""
        mean = state_dict.get(f"{prefix}target_mean")
        weight = state_dict.get(f"{prefix}readout.linear.weight")
        dtypes = [x.dtype for x in (mean, weight) if x is not None]
        if dtypes[:1] == [torch.float64] and dtypes[1:] != [torch.float64]:
            self.widen_scaling()
        super()._load_from_state_dict(state_dict, prefix, *args)

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write ``config.json`` and ``model.safetensors`` to a folder.

        This is the network alone. What a prediction needs beside it, such as targets,
        units and how crystals are encoded, is in the model file of a run.

        Raises:
            ModelFileError: If the folder cannot be written.
        """
        folder = Path(folder)
        outputs = [
            {"name": t.name, "classes": t.classes, "transform": t.transform}
            for t in self.layout.targets
        ]
        config = self.config.model_dump(mode="json")
        values = {"model_type": "pyg_sitenet", "outputs": outputs, "config": config}
        state = self.state_dict().items()
        tensors = {name: tensor.contiguous() for name, tensor in state}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            save_file(tensors, folder / WEIGHTS_NAME, metadata={"format": "pt"})
            text = json.dumps(values, indent=2) + "\n"
            (folder / CONFIG_NAME).write_text(text, encoding="utf-8")
        except (OSError, SafetensorError) as error:
            raise ModelFileError(f"{folder}: cannot be written: {error}") from error
        return folder

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
            ModelFileError: If it is something else, or files are missing or damaged.
            SiteNetError: If it is no folder and ``huggingface_hub`` is not installed.
        """
        _check_source(source)
        folder = Path(source)
        if not folder.is_dir():
            hub = _import_hub(f"{source}: no such folder; to load it from the Hub")
            names = [CONFIG_NAME, WEIGHTS_NAME]
            download = hub.snapshot_download
            folder = Path(download(str(source), allow_patterns=names, **options))
        try:
            config, layout = _read_config(folder / CONFIG_NAME)
            model = build_from_file(
                folder / WEIGHTS_NAME,
                lambda: cls(config, layout=layout),
                blocks=config.blocks,
            )
        except OSError as error:
            raise ModelFileError(
                f"{folder}: cannot be read: {error}; expected {CONFIG_NAME} and "
                f"{WEIGHTS_NAME} as save_pretrained writes them"
            ) from error
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise ModelFileError(
                f"{folder / CONFIG_NAME}: not the description of a Site-Net: "
                f"{brief_line(error)}"
            ) from error
        except (SafetensorError, RuntimeError) as error:
            raise ModelFileError(
                f"{folder / WEIGHTS_NAME}: damaged, or does not fit {CONFIG_NAME}: "
                f"{brief_line(error)}"
            ) from error
        return model.eval()

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
        api = _import_hub(f"{repo_id}: to upload a model").HfApi(token=token)
        api.create_repo(repo_id, private=private, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            self.save_pretrained(folder)
            return str(
                api.upload_folder(
                    repo_id=repo_id, folder_path=folder, commit_message=commit_message
                )
            )


def _check_source(source: str | Path) -> None:
    """Refuse what ``load_predictor`` loads, and name it."""
    folder = Path(source)
    if folder.is_dir() and not (folder / CONFIG_NAME).exists():
        what = f"a folder without {CONFIG_NAME}"
    elif folder.is_file():
        what = "a file"
    elif not folder.exists() and len(folder.parts) == 1:
        what = "no such folder, and no name like owner/name"
    else:
        return
    raise ModelFileError(
        f"{source}: {what}; expected a folder that save_pretrained wrote, or a "
        "repository of the Hub; the network of a run, a model file or a ready model is "
        f"load_predictor({str(source)!r}).model"
    )


def _import_hub(purpose: str) -> Any:  # noqa: ANN401 - a module
    try:
        return import_module("huggingface_hub")
    except ImportError as error:
        raise SiteNetError(
            f"{purpose} the package huggingface_hub is needed; install it with "
            "pip install 'pyg-sitenet[hub]'"
        ) from error


def _read_config(path: Path) -> tuple[ModelConfig, OutputLayout]:
    with path.open("rb") as file:
        content = file.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise ValueError(f"more than {_MAX_BYTES:,} bytes")
    values = json.loads(content)
    config = ModelConfig.model_validate(values["config"])
    outputs = values["outputs"]
    layout = OutputLayout.make(
        [str(output["name"]) for output in outputs],
        {str(output["name"]): tuple(output["classes"]) for output in outputs},
        {str(output["name"]): str(output["transform"]) for output in outputs},
    )
    return config, layout
