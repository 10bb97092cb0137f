"""The figures of an evaluation, beside the file of its rows."""

from __future__ import annotations

from pathlib import Path

from pyg_sitenet.csv_file import beside
from pyg_sitenet.evaluation.collected import Scores
from pyg_sitenet.figures import plot_calibration, plot_classes, plot_parity
from pyg_sitenet.model_file import ModelDescription


def draw_figures(
    output: Path, scores: Scores, description: ModelDescription, *, is_again: bool
) -> dict[str, Path]:
    """Draw what a model's targets allow, and return the files by kind of figure.

    Args:
        output: The file of the rows; ``rows.csv`` gives ``rows_parity.png``.
        scores: Known and predicted values.
        description: Of the model.
        is_again: Whether rows were replaced, maybe those of another model, whose
            figures then go.
    """
    drawn = {}
    layout, units = description.layout, dict(description.units)
    truth, answers = scores.arrays()
    numbers = [t for t, target in enumerate(layout.targets) if not target.classes]
    if numbers:
        drawn["parity"] = beside(output, "parity.png")
        some = [layout.targets[t] for t in numbers]
        plot_parity(
            drawn["parity"],
            truth[:, numbers],
            answers[:, [target.start for target in some]],
            units,
            [target.name for target in some],
            kind="crystals",
        )
    if description.classes:
        drawn["classes"] = beside(output, "classes.png")
        plot_classes(drawn["classes"], truth, answers, layout)
    if description.calibration is not None:
        drawn["calibration"] = beside(output, "calibration.png")
        units |= dict.fromkeys(description.classes, "classes")
        coverage = scores.coverage(description)
        plot_calibration(drawn["calibration"], coverage, scores.num_known(), units)
    for kind in {"parity", "classes", "calibration"} - drawn.keys() if is_again else ():
        beside(output, f"{kind}.png").unlink(missing_ok=True)
    return drawn
