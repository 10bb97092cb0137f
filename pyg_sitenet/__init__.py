"""Crystal-property learning with global self-attention over real-space supercells.

The public names below are imported when they are first used, so that importing the
package (and ``sitenet --help``) does not wait for torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from pyg_sitenet.version import __version__

if TYPE_CHECKING:
    from pyg_sitenet.config import Config, load_config, load_preset
    from pyg_sitenet.data.dataset import CrystalDataset
    from pyg_sitenet.data.graph.encode import encode_structure
    from pyg_sitenet.errors import SiteNetError
    from pyg_sitenet.nn.conv.site_net_conv import SiteNetConv
    from pyg_sitenet.nn.site_net import SiteNet
    from pyg_sitenet.prediction import Predictor, load_predictor
    from pyg_sitenet.prediction.calculator import SiteNetCalculator
    from pyg_sitenet.training.train import train
    from pyg_sitenet.transforms import MergeEquivalent

_MODULES = {
    "Config": "config",
    "CrystalDataset": "data.dataset",
    "MergeEquivalent": "transforms",
    "Predictor": "prediction",
    "SiteNet": "nn.site_net",
    "SiteNetCalculator": "prediction.calculator",
    "SiteNetConv": "nn.conv.site_net_conv",
    "SiteNetError": "errors",
    "encode_structure": "data.graph.encode",
    "load_config": "config",
    "load_predictor": "prediction",
    "load_preset": "config",
    "train": "training.train",
}

__all__ = [
    "Config",
    "CrystalDataset",
    "MergeEquivalent",
    "Predictor",
    "SiteNet",
    "SiteNetCalculator",
    "SiteNetConv",
    "SiteNetError",
    "__version__",
    "encode_structure",
    "load_config",
    "load_predictor",
    "load_preset",
    "train",
]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
