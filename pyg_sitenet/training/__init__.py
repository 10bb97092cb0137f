"""Training: a configuration in, a run folder out."""

from pyg_sitenet.training.loop.module import SiteNetModule
from pyg_sitenet.training.train import RunResult, train

__all__ = ["RunResult", "SiteNetModule", "train"]
