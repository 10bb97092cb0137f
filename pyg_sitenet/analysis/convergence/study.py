"""Convergence with the size of the environment: figures, tables, rule of thumb."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
import torch

from pyg_sitenet.analysis.convergence.convergence_figure import (
    plot_changes,
    plot_shapes,
)
from pyg_sitenet.analysis.convergence.measurement import (
    ENVIRONMENTS,
    LIMITS,
    Convergence,
    measure_convergence,
)
from pyg_sitenet.analysis.convergence.rule import (
    Rule,
    best_sizes,
    change_table,
    default_tolerance,
    error_table,
    find_rule,
    shape_table,
)
from pyg_sitenet.csv_file import write_table
from pyg_sitenet.data.graph.encoder import Item
from pyg_sitenet.file_locks import check_output_folder, locked_folder
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.prediction import Predictor, column_name

_OWN = "box_shape.csv"
"""A file that no other command has."""


@dataclass(frozen=True)
class ConvergenceReport:
    """Outcome of :func:`converge`.

    Attributes:
        folder: Where figures and tables are.
        convergence: All steps, and what was skipped.
        rules: One per target and environment.
        files: Names of the files.
        best: At which size the errors against known values are smallest, in words.
    """

    folder: Path
    convergence: Convergence
    rules: list[Rule]
    files: list[str]
    best: list[str]


def untrained(predictor: Predictor, seed: int = 0) -> Predictor:
    """Return the same network with random weights: what the layers do by themselves.

    The scale of the targets is kept, so that changes are in their units.
    """
    trained = predictor.network
    with torch.random.fork_rng(devices=[]):  # it is made on the CPU
        torch.manual_seed(seed)
        model = SiteNet(trained.config, layout=trained.layout)
    model.set_target_scaling(trained.target_mean.cpu(), trained.target_scale.cpu())
    return Predictor(model, predictor.description, predictor.device)


def converge(
    predictor: Predictor,
    entries: Iterable[Item],
    output: str | Path,
    *,
    limits: Sequence[int] = LIMITS,
    tolerances: Mapping[str, float] | None = None,
    max_pairs: int = 1_000_000,
) -> ConvergenceReport:
    """Measure convergence and write figures and tables.

    Args:
        predictor: The model.
        entries: The crystals.
        output: The folder to write to.
        limits: Most atoms that a site attends to, in turn.
        tolerances: Change of each target that is accepted. (default: see
            :func:`~pyg_sitenet.analysis.convergence.rule.default_tolerance`)
        max_pairs: Pairs of a crystal at most; larger steps are listed as skipped.

    Raises:
        DataError: If no crystal can be used in two sizes, or the folder cannot be
            written.
        SiteNetError: If another run writes to the folder, or it holds files of
            another command.
    """
    folder = Path(output)
    check_output_folder(folder, ("steps.csv", "errors.csv", "rules.csv"), [_OWN])
    with locked_folder(folder):
        convergence = measure_convergence(
            predictor, entries, limits=limits, max_pairs=max_pairs
        )
        return _report(predictor, convergence, folder, tolerances or {})


def _report(
    predictor: Predictor,
    convergence: Convergence,
    folder: Path,
    tolerances: Mapping[str, float],
) -> ConvergenceReport:
    """Find the rules and write all files."""
    description, accepted = predictor.description, dict(tolerances)
    for target in description.outputs:
        accepted.setdefault(target, default_tolerance(description, target))
    rules = [
        find_rule(
            convergence.steps, column_name(target, description.units), environment,
            accepted[target],
        )
        for target in description.outputs
        for environment in ENVIRONMENTS
    ]  # fmt: skip
    names = [column_name(name, description.units) for name in description.outputs]
    errors = error_table(convergence.steps, names)
    files = _write(folder, convergence, rules, errors)
    return ConvergenceReport(folder, convergence, rules, files, best_sizes(errors))


def _write(
    folder: Path, convergence: Convergence, rules: Sequence[Rule], errors: pd.DataFrame
) -> list[str]:
    steps = convergence.steps
    names = list(dict.fromkeys(rule.target for rule in rules))
    changes = [f"change of {name}" for name in names]
    blocks = [
        column for column in steps if column.startswith("change of sites in block")
    ]
    tables = {
        "steps.csv": steps,
        "skipped.csv": convergence.skipped,
        "convergence.csv": change_table(steps, changes),
        "site_vectors.csv": change_table(steps, blocks),
        _OWN: pd.concat([shape_table(steps, column) for column in changes]),
        "errors.csv": errors,
        "rules.csv": pd.DataFrame(
            asdict(rule) | {"rule": rule.sentence()} for rule in rules
        ),
    }
    for name, table in tables.items():
        write_table(folder / name, table)
    tolerance = rules[0].tolerance if len(names) == 1 else None
    plot_changes(folder / "convergence.png", steps, changes, tolerance)
    plot_changes(folder / "site_vectors.png", steps, blocks, None)
    plot_shapes(folder / "box_shape.png", steps, changes)
    return [*tables, "convergence.png", "site_vectors.png", "box_shape.png"]
