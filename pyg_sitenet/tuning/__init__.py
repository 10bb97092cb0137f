"""The search for better settings, on Ray Tune (extra ``ray``)."""

from pyg_sitenet.tuning.tune import TuneResult, tune

__all__ = ["TuneResult", "tune"]
