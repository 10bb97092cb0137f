"""Predictions: for a script as a table, for any amount of data as a file."""

from pyg_sitenet.prediction.columns import Prediction
from pyg_sitenet.prediction.file.to_file import predict_to_file
from pyg_sitenet.prediction.headings import column_name
from pyg_sitenet.prediction.intervals import Uncertainty
from pyg_sitenet.prediction.open_model import load_predictor
from pyg_sitenet.prediction.predictor import Predictor
from pyg_sitenet.prediction.spread import Spread
from pyg_sitenet.prediction.trajectory.frames import frame_statistics

__all__ = [
    "Prediction",
    "Predictor",
    "Spread",
    "Uncertainty",
    "column_name",
    "frame_statistics",
    "load_predictor",
    "predict_to_file",
]
