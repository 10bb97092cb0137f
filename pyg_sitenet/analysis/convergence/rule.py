"""What convergence suggests: how many atoms, or how large a box, a task needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pyg_sitenet.analysis.convergence.measurement import ASPECT, RADIUS
from pyg_sitenet.model_file import ModelDescription

QUANTILE = 0.9
"""Share of the crystals that a rule of thumb is to hold for."""
SHAPES = ((1.0, 1.25, "nearly cubic"), (1.25, 2.0, "longer"), (2.0, np.inf, "oblong"))
"""Aspect ratios that are told apart: from, below, name."""
_RADIUS_STEP = 1.0  # angstrom


@dataclass(frozen=True)
class Rule:
    """A rule of thumb for one target and environment.

    Attributes:
        target: Name of the target with its unit.
        environment: The environment.
        tolerance: Change that is accepted, in the unit of the target.
        max_atoms: Smallest limit from which on 90 % of the crystals change by no more;
            ``None`` if no limit below the largest does it.
        radius: Smallest inscribed radius (angstrom) from which on 90 % of all boxes or
            spheres do so; ``None`` likewise.
    """

    target: str
    environment: str
    tolerance: float
    max_atoms: int | None
    radius: float | None

    def sentence(self) -> str:
        """Say it in words."""
        share = f"{QUANTILE:.0%} of the predictions of {self.target}"
        limits = [
            f"{self.max_atoms} atoms" if self.max_atoms is not None else "",
            f"an inscribed radius of {self.radius:g} A"
            if self.radius is not None
            else "",
        ]
        start = " and ".join(limit for limit in limits if limit)
        if not start:
            return (
                f"{self.environment}: no size is enough for {share} to be within "
                f"{self.tolerance:.3g} of that of the largest"
            )
        return (
            f"{self.environment}: from {start} on, {share} are within "
            f"{self.tolerance:.3g} of that of the largest"
        )


def default_tolerance(description: ModelDescription, target: str) -> float:
    """Return a tenth of the model's test MAE, or a hundredth of the training range."""
    metrics = description.metrics.get("targets", {}).get(target, {})
    mae = metrics.get("test", {}).get("mae")
    if mae:
        return float(mae) / 10
    low, high = description.target_ranges.get(target, (0.0, 1.0))
    return (high - low) / 100 or 0.01


def change_table(steps: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Return the size of the changes by environment and limit.

    Args:
        steps: Those of a convergence.
        columns: Which changes.

    Returns:
        One row per change, environment and limit, references left out: number of
        ``crystals``, ``median``, ``quantile 0.9`` and ``largest`` size.
    """
    rows = []
    part = steps[~steps["is reference"].astype(bool)]
    for column in columns:
        for (environment, limit), group in part.groupby(["environment", "max_atoms"]):
            size = group[column].abs()
            row = {"change": column, "environment": environment, "max_atoms": limit}
            row |= {"crystals": len(size), "median": size.median()}
            row |= {f"quantile {QUANTILE}": size.quantile(QUANTILE)}
            rows.append(row | {"largest": size.max()})
    return pd.DataFrame(rows)


def shape_table(steps: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return the finite-size error of supercells by shape and inscribed radius.

    Returns:
        One row per shape (:data:`SHAPES`) and angstrom of radius: number of ``boxes``,
        ``median`` and ``quantile 0.9`` of the size of the change.
    """
    boxes = steps[(steps["environment"] == "supercell") & ~steps["is reference"]]
    rows = []
    for low, high, shape in SHAPES:
        part = boxes[(boxes[ASPECT] >= low) & (boxes[ASPECT] < high)]
        floors = np.floor(part[RADIUS] / _RADIUS_STEP) * _RADIUS_STEP
        for radius, group in part.groupby(floors):
            size = group[column].abs()
            row = {"change": column, "shape": shape, "aspect ratio from": low}
            row |= {"radius from [A]": radius, "radius to [A]": radius + _RADIUS_STEP}
            row |= {"boxes": len(size), "median": size.median()}
            rows.append(row | {f"quantile {QUANTILE}": size.quantile(QUANTILE)})
    return pd.DataFrame(rows)


def find_rule(
    steps: pd.DataFrame, name: str, environment: str, tolerance: float
) -> Rule:
    """Find the smallest environment that is as good as the largest."""
    rows = steps[(steps["environment"] == environment) & ~steps["is reference"]]
    size = rows[f"change of {name}"].abs()
    limits = sorted(rows["max_atoms"].unique())
    by_limit = size.groupby(rows["max_atoms"]).quantile(QUANTILE)
    atoms = _first_lasting(limits, [by_limit[limit] <= tolerance for limit in limits])
    radii = sorted(np.floor(rows[RADIUS]).unique())
    inside = [
        size[rows[RADIUS] >= radius].quantile(QUANTILE) <= tolerance for radius in radii
    ]
    radius = _first_lasting(radii, inside)
    return Rule(
        name, environment, tolerance, None if atoms is None else int(atoms), radius
    )


def error_table(steps: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Return the error against known values by environment and limit.

    Only crystals that have every limit in each environment are counted, so that all
    rows are over the same ones.

    Returns:
        ``target``, ``environment``, ``max_atoms``, number of ``crystals``, ``mae``.
    """
    rows = []
    for name in names:
        if f"known {name}" not in steps:
            continue
        part = steps.assign(error=(steps[name] - steps[f"known {name}"]).abs())
        part = part.dropna(subset="error")
        size = ["environment", "max_atoms"]
        counts = part.groupby("id")["id"].transform("size")
        whole = part[counts == len(part[size].drop_duplicates())]
        for (environment, limit), group in whole.groupby(size):
            row = {"target": name, "environment": environment, "max_atoms": limit}
            rows.append(row | {"crystals": len(group), "mae": group["error"].mean()})
    columns = ["target", "environment", "max_atoms", "crystals", "mae"]
    return pd.DataFrame(rows, columns=columns)


def best_sizes(errors: pd.DataFrame) -> list[str]:
    """Say at which size the errors of each target and environment are smallest."""
    sentences = []
    for (target, environment), rows in errors.groupby(["target", "environment"]):
        best, largest = rows.loc[rows["mae"].idxmin()], rows.iloc[-1]
        other = f" {largest['mae']:.3g} at {largest['max_atoms']};"
        if best["max_atoms"] == largest["max_atoms"]:
            other = ""
        sentences.append(
            f"{environment}: the mean error of {target} is smallest at "
            f"{best['max_atoms']} atoms ({best['mae']:.3g};{other} "
            f"{best['crystals']} crystals)"
        )
    return sentences


def _first_lasting(values: list[float], is_good: list[bool]) -> float | None:
    """Return the first value from which on all are good."""
    first = None
    for value, good in zip(reversed(values), reversed(is_good), strict=True):
        if not good:
            break
        first = float(value)
    return first
