"""The search for better settings, on Ray Tune (extra ``ray``)."""

from pyg_sitenet.tuning.search_result import TuneResult
from pyg_sitenet.tuning.tune import tune

__all__ = ["TuneResult", "tune"]
