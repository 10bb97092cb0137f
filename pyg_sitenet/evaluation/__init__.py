"""How good predictions are: scores, figures, and coverage of intervals."""

from __future__ import annotations

from pyg_sitenet.evaluation.collected import Scores
from pyg_sitenet.evaluation.evaluate import Evaluation, evaluate
from pyg_sitenet.scores import score

__all__ = ["Evaluation", "Scores", "evaluate", "score"]
