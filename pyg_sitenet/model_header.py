"""What a model file says about its model, checked as it is read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import pairwise
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from pyg_sitenet.brief import brief, brief_line
from pyg_sitenet.config import Config
from pyg_sitenet.config.setting_types import Modules, Name
from pyg_sitenet.domain import Domain
from pyg_sitenet.errors import ModelFileError
from pyg_sitenet.nn.output_layout import OutputLayout
from pyg_sitenet.novelty import Novelty
from pyg_sitenet.uncertainty import Calibration

FORMAT_VERSION = 4  # 2 added ensembles and intervals, 3 classes, 4 novelty
MAX_LETTERS = 32 * 1024**2
"""Of a description: a million calibration crystals take 20 MB."""
MAX_DEPTH = 20
"""Values within values; the metrics of a run have six."""


def _check_range(ends: tuple[float, float]) -> tuple[float, float]:
    if not ends[0] <= ends[1]:
        raise ValueError("the smallest value must not be above the largest")
    return ends


def _check_metrics(metrics: dict[str, Any]) -> dict[str, Any]:
    _Metrics.model_validate(metrics)
    return metrics


Range = Annotated[tuple[float, float], AfterValidator(_check_range)]
Element = Annotated[int, Field(ge=1, le=118)]
Metrics = Annotated[dict[str, Any], AfterValidator(_check_metrics)]
Scores = dict[str, float | None]


class _TargetMetrics(BaseModel):
    """What is read of the metrics of a target; others may stand beside it."""

    unit: str = ""
    test: Scores = {}
    val: Scores = {}
    baselines: dict[str, dict[str, Scores]] = {}


class _Metrics(BaseModel):
    """What is read of the metrics of a run."""

    targets: dict[str, _TargetMetrics] = {}
    num_crystals: dict[str, int] = {}
    num_parameters: int = 0


class ModelDescription(BaseModel):
    """What a model was trained on and with: the JSON in the header of its file.

    Attributes:
        format_version: Version of the file format; a newer one is refused.
        config: The complete configuration of the run.
        targets: Names of the predicted properties, in the order of the outputs.
        units: Unit of each target; a target without a unit may be absent.
        elements: Atomic numbers that occur in the training part.
        target_ranges: Smallest and largest training value of each target.
        domain: What the crystals of the training part are like; None in files that
            were written before it was recorded.
        versions: Versions of the libraries that wrote the file.
        metrics: The metrics of the run (see ``metrics.json``).
        members: Networks in the file; their tensors are ``members.0.…`` and so on.
        calibration: What gives intervals; ``None`` if none was kept for it.
        novelty: What tells how unlike the training data a crystal is; ``None`` in files
            that were written before, and if few crystals were held out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: int = Field(FORMAT_VERSION, ge=1, le=FORMAT_VERSION)
    config: Config
    targets: tuple[Name, ...] = Field(min_length=1, max_length=1000)
    units: dict[Name, Name] = {}
    elements: tuple[Element, ...] = Field((), max_length=118)
    target_ranges: dict[Name, Range] = {}
    domain: Domain | None = None
    versions: dict[Name, Name] = {}
    metrics: Metrics = {}
    members: Modules = 1
    calibration: Calibration | None = None
    novelty: Novelty | None = None

    @model_validator(mode="after")
    def _check(self) -> ModelDescription:
        if len(set(self.targets)) < len(self.targets):
            raise ValueError("each target must be there once")
        if self.domain is not None:
            _check_domain(self.domain)
        if self.calibration is not None:
            _check_calibration(self.calibration)
        if self.novelty is not None and not self.novelty.held_out:
            raise ValueError("novelty.held_out must not be empty")
        return self

    @property
    def layout(self) -> OutputLayout:
        """What the outputs of the model are."""
        transforms = self.config.training.target_transform
        return OutputLayout.make(self.targets, self.classes, transforms)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs: of numbers the target, of classes each probability."""
        return self.layout.outputs

    @property
    def classes(self) -> dict[str, tuple[str, ...]]:
        """Labels of each target that is classes, in the order of the outputs."""
        return dict(self.config.data.classes)


def parse_description(text: str, origin: str) -> ModelDescription:
    """Return the description that a JSON text holds.

    Args:
        text: From the header of a model file.
        origin: Which file, for messages.

    Raises:
        ModelFileError: If it is damaged, newer, or larger than descriptions are.
    """
    damaged = f"{origin}: its description is damaged"
    if len(text) > MAX_LETTERS:
        raise ModelFileError(f"{damaged}: more than {MAX_LETTERS:,} letters")
    try:
        values = json.loads(text)
        version = int(values["format_version"])
        _check_depth(values)
    except (ValueError, TypeError, LookupError, OverflowError) as error:
        raise ModelFileError(f"{damaged}: {brief_line(error)}") from error
    except RecursionError as error:
        raise ModelFileError(f"{damaged}: its values lie too deep") from error
    if version > FORMAT_VERSION:
        raise ModelFileError(
            f"{origin}: format version {brief(version)}, this program reads up to "
            f"{FORMAT_VERSION}; update pyg_sitenet"
        )
    try:
        return ModelDescription.model_validate(values)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = brief_line(".".join(str(part) for part in problem["loc"]))
        raise ModelFileError(
            f"{damaged} at {where}: {brief_line(problem['msg'])}"
        ) from error


def _check_depth(value: object) -> None:
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise ValueError(f"values lie in each other at most {MAX_DEPTH} deep")
        level = [part for outer in level for part in _parts(outer)]


def _parts(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _check_domain(domain: Domain) -> None:
    for name in ("num_sites", "volume_per_atom", "shortest_distance"):
        ends = getattr(domain, name)
        if ends is not None and not 0 <= ends[0] <= ends[1]:
            raise ValueError(f"domain.{name} must rise from 0 or more, got {ends}")
    if not domain.oxidation_states[0] <= domain.oxidation_states[1]:
        raise ValueError("domain.oxidation_states must rise")


def _check_calibration(calibration: Calibration) -> None:
    scores, floors = calibration.scores, calibration.floors
    if scores.keys() != floors.keys():
        raise ValueError("calibration must have floors and scores of the same targets")
    if not all(floor > 0 for floor in floors.values()):
        raise ValueError("calibration.floors must be above 0")
    # NaN, of probabilities that are none, is neither: such scores stand at the end.
    for values in (group for groups in scores.values() for group in groups):
        before = (0.0, *values)
        if any(low > high for low, high in zip(before, values, strict=False)):
            raise ValueError("calibration.scores must rise from 0 or more")
    for target, groups in scores.items():
        edges = calibration.edges.get(target, ())
        if len(groups) != len(edges) + 1:
            raise ValueError("calibration.scores must have a group more than edges")
        if any(not low < high for low, high in pairwise(edges)):
            raise ValueError("calibration.edges must rise")
