"""How predictions change as the atoms that a site sees grow in number."""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import Data

from pyg_sitenet.analysis.complexity_encoder import read_crystal
from pyg_sitenet.data.geometry.primitive import to_primitive
from pyg_sitenet.data.geometry.sphere import sphere_radius
from pyg_sitenet.data.graph.encode import encode_structure
from pyg_sitenet.data.graph.encoder import Item
from pyg_sitenet.data.records import Failure, Record
from pyg_sitenet.data.structure.load import reduced_formula
from pyg_sitenet.errors import ConfigError, DataError, SiteNetWarning, StructureError
from pyg_sitenet.prediction import Predictor, column_name
from pyg_sitenet.transforms import MergeEquivalent, expand_sites

LIMITS = (20, 50, 100, 200, 500, 1000, 2000, 5000)
"""Most atoms that a site attends to, in turn."""
ENVIRONMENTS = ("supercell", "sphere")
RADIUS, ASPECT = "inscribed radius [A]", "aspect ratio"


@dataclass(frozen=True)
class Convergence:
    """What :func:`measure_convergence` found.

    Attributes:
        steps: One row per crystal, environment and limit: ``id``, ``formula``,
            ``sites``, ``environment``, ``max_atoms``, ``atoms`` (of the supercell; in a
            sphere the sum of the weights, the mean over sites), ``aspect ratio``
            (longest edge by shortest, 1 for a sphere), ``inscribed radius [A]`` (of the
            box; the radius of a sphere), ``is reference`` (the largest limit of the
            crystal in this environment), and then for each target ``<name>`` and
            ``change of <name>`` from the reference, and ``change of sites in block
            <b>``: that of the site vectors relative to their length, for each block
            that is read out (all, or in the residual form the last one);
            ``known <name>`` where the entries carry values.
        skipped: What was left out: ``id``, ``environment``, ``max_atoms``, ``reason``.
    """

    steps: pd.DataFrame
    skipped: pd.DataFrame


@dataclass(frozen=True)
class _Step:
    """A crystal in one environment."""

    row: dict[str, Any]
    values: Tensor  # [T]
    sites: Tensor  # [n, blocks that are read out, C]


def choose_entries(entries: Iterable[Item], count: int, seed: int = 0) -> list[Item]:
    """Choose at random so many of a stream, and keep their order."""
    chosen: list[tuple[int, Item]] = []
    draw = random.Random(seed)
    for number, entry in enumerate(entries):
        if len(chosen) < count:
            chosen.append((number, entry))
        elif (place := draw.randrange(number + 1)) < count:
            chosen[place] = (number, entry)
    return [entry for _, entry in sorted(chosen, key=lambda pair: pair[0])]


def measure_convergence(
    predictor: Predictor,
    entries: Iterable[Item],
    *,
    limits: Sequence[int] = LIMITS,
    max_pairs: int = 1_000_000,
) -> Convergence:
    """Predict crystals in environments of growing size, supercell and sphere.

    Args:
        predictor: The model; an untrained one shows what the layers do by themselves.
        entries: The crystals.
        limits: Most atoms that a site attends to, in turn.
        max_pairs: Pairs of a crystal at most; larger steps are listed as skipped.

    Raises:
        ConfigError: If there are no two sizes.
        DataError: If no crystal can be used in two sizes.
    """
    if len(set(limits)) < 2:
        raise ConfigError(
            f"expected two sizes of environment or more to compare, got {list(limits)};"
            " give others (--atoms 50,500)"
        )
    rows: list[dict[str, Any]] = []
    skipped: list[dict[str, Any]] = []
    for entry in entries:
        record = read_crystal(entry)
        if isinstance(record, Failure):
            skipped.append({"id": record.id, "reason": record.reason})
            continue
        for environment in ENVIRONMENTS:
            steps = list(
                _steps(predictor, record, environment, limits, max_pairs, skipped)
            )
            truth = _known(predictor, record)
            rows += [row | truth for row in _with_changes(predictor, steps)]
    if not any(not row["is reference"] for row in rows):
        reason = f"; the first reason: {skipped[0]['reason']}" if skipped else ""
        raise DataError(f"no crystal fits into two sizes of environment{reason}")
    names = ["id", "environment", "max_atoms", "reason"]
    return Convergence(pd.DataFrame(rows), pd.DataFrame(skipped, columns=names))


def _steps(
    predictor: Predictor,
    record: Record,
    environment: str,
    limits: Sequence[int],
    max_pairs: int,
    skipped: list[dict[str, Any]],
) -> Iterator[_Step]:
    """Yield the sizes that fit, smallest first, each once; list the others."""
    sizes: set[int] = set()
    for limit in sorted(limits):
        where = {"id": record.id, "environment": environment, "max_atoms": limit}
        try:
            step = _step(predictor, record, environment, limit, max_pairs)
        except StructureError as error:
            skipped.append({**where, "reason": str(error)})
            continue
        if environment == "supercell" and step.row["atoms"] in sizes:
            skipped.append({**where, "reason": "the supercell of the limit before"})
            continue
        sizes.add(step.row["atoms"])
        yield step


def _step(
    predictor: Predictor, record: Record, environment: str, limit: int, max_pairs: int
) -> _Step:
    tolerance = predictor.description.config.data.primitive_tolerance
    num_sites = len(to_primitive(record.structure, tolerance))
    if environment == "supercell" and num_sites > limit:
        raise StructureError(f"the primitive cell has {num_sites} sites")
    if num_sites * limit > max_pairs:
        pairs = f"up to {num_sites * limit} pairs, more than max_pairs={max_pairs}"
        raise StructureError(f"{num_sites} sites: {pairs}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SiteNetWarning)
        graph = encode_structure(
            record.structure, max_atoms=limit, environment=environment,
            primitive_tolerance=tolerance,
        )  # fmt: skip
    graph = cast("Data", graph)
    merged = MergeEquivalent(keep_origin=True)(graph).to(predictor.device)
    with torch.inference_mode():
        embedding = predictor.network.embed(merged)
        values = predictor.network.activate(
            predictor.network.readout.linear(embedding.crystals)
        )
    width = predictor.network.config.site_width
    sites = expand_sites(merged, embedding.sites).unflatten(1, (-1, width))
    row = {
        "id": record.id,
        "formula": reduced_formula(record.structure),
        "sites": num_sites,
        "environment": environment,
        "max_atoms": limit,
        **_size(graph, limit),
    }
    return _Step(row, values[0].cpu().double(), sites.cpu().double())


def _size(graph: Data, limit: int) -> dict[str, float]:
    cell = graph.cell[0].double().numpy()
    if "edge_weight" in graph:
        atoms = float(graph.edge_weight.sum()) / len(graph.z)
        radius = sphere_radius(cell, len(graph.z), limit)
        return {"atoms": atoms, ASPECT: 1.0, RADIUS: radius}
    box = graph.supercell_matrix[0].double().numpy() @ cell
    edges = np.linalg.norm(box, axis=1)
    atoms = graph.num_edges / len(graph.z)
    radius = inscribed_radius(box)
    return {"atoms": atoms, ASPECT: float(edges.max() / edges.min()), RADIUS: radius}


def inscribed_radius(box: NDArray[np.float64]) -> float:
    """Return the radius of the largest sphere in a parallelepiped, rows its edges.

    Example:
        >>> float(inscribed_radius(np.diag([2.0, 4.0, 6.0])))
        1.0
    """
    # The faces of an axis are the inverse length of its reciprocal vector apart.
    return float(0.5 / np.linalg.norm(np.linalg.inv(box), axis=0).max())


def _known(predictor: Predictor, record: Record) -> dict[str, float]:
    units = predictor.description.units
    return {
        f"known {column_name(target, units)}": value
        for target, value in predictor.description.layout.known(record.targets).items()
    }


def _with_changes(
    predictor: Predictor, steps: Sequence[_Step]
) -> Iterator[dict[str, Any]]:
    """Yield the rows, with what differs from the last step."""
    description = predictor.description
    names = [column_name(name, description.units) for name in description.outputs]
    for step in steps:
        last = steps[-1]
        row = step.row | {"is reference": step is last}
        for number, name in enumerate(names):
            row[name] = float(step.values[number])
            row[f"change of {name}"] = float(step.values[number] - last.values[number])
        change = (step.sites - last.sites).square().sum(dim=(0, 2))
        length = last.sites.square().sum(dim=(0, 2))
        first = predictor.network.config.blocks - len(length) + 1
        for block, value in enumerate((change / length).sqrt().tolist(), first):
            row[f"change of sites in block {block}"] = value
        yield row
