"""``load_predictor``: from a model file to predictions."""

from __future__ import annotations

from pathlib import Path

import torch

from pyg_sitenet.config import make_config
from pyg_sitenet.devices import as_device, check_precision
from pyg_sitenet.model_file import load_model
from pyg_sitenet.prediction.predictor import Predictor


def load_predictor(
    path: str | Path,
    device: str | torch.device = "cpu",
    *,
    disorder: str | None = None,
    orderings: int | None = None,
    disorder_seed: int | None = None,
    level: float | None = None,
) -> Predictor:
    """Load a trained model for prediction.

    Args:
        path: A model file, a run folder, or the name of a ready model such as
            ``"formation-energy"``.
        device: Where to compute, for example ``"cuda"``.
        disorder: What to do with disordered crystals: refuse them (``"error"``),
            ``"sample"`` or ``"enumerate"`` their orderings
            (:func:`~pyg_sitenet.data.disorder.order_structure`). By default, as in
            training, as are the next two.
        orderings: How many of a crystal at most.
        disorder_seed: Decides which are sampled.
        level: Share of crystals whose true value is to lie in the interval that each
            prediction gets, such as 0.9. (default: no intervals)

    Raises:
        ModelFileError: If the file is damaged, not one of ours, or newer.
        ConfigError: If a setting has an impossible value, the model was not calibrated
            for the level, there is no such device, or it lacks the double precision
            that the model needs.
    """
    device = as_device(device)
    model, description = load_model(path)
    check_precision(device.type, model.buffers())
    options = {
        "disorder": disorder,
        "orderings": orderings,
        "disorder_seed": disorder_seed,
    }
    chosen = {name: value for name, value in options.items() if value is not None}
    settings = description.config.data.model_dump()
    config = make_config({"data": settings | chosen}, origin="load_predictor")
    return Predictor(model, description, device, config.data, level)
