"""The trained models that ship with the package, found by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parent / "models"


@dataclass(frozen=True, slots=True)
class ReadyModel:
    """A model that ships with the package.

    Args:
        name: What commands and :func:`~pyg_sitenet.load_predictor` call it.
        folder: Holds its file and its card.
    """

    name: str
    folder: Path

    @property
    def file(self) -> Path:
        """The model file."""
        return self.folder / "model.safetensors"

    @property
    def card(self) -> Path:
        """Data, split, error, elements and limits, as Markdown."""
        return self.folder / "README.md"


READY_MODELS = {
    file.parent.name: ReadyModel(file.parent.name, file.parent)
    for file in sorted(_FOLDER.glob("*/model.safetensors"))
}
