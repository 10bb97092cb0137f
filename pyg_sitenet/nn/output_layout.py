"""Which outputs of the network belong to which target, and what they mean."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pyg_sitenet.config import Config

_FORWARD = {"log": torch.log, "log10": torch.log10, "log1p": torch.log1p}
_BACKWARD = {
    "log": torch.exp,
    "log10": lambda value: torch.pow(10.0, value),
    "log1p": torch.expm1,
}


@dataclass(frozen=True, slots=True)
class TargetOutputs:
    """The outputs of one target.

    Attributes:
        name: The target.
        start: Its first output.
        classes: Names of the classes, each with an output; none for a number.
        transform: What is learnt of a number: itself (``""``), or its ``log``,
            ``log10`` or ``log1p``.
    """

    name: str
    start: int
    classes: tuple[str, ...] = ()
    transform: str = ""

    @property
    def columns(self) -> slice:
        """Its outputs."""
        return slice(self.start, self.start + max(1, len(self.classes)))

    @property
    def outputs(self) -> tuple[str, ...]:
        """What they are called: as the target, or the probability of each class."""
        if not self.classes:
            return (self.name,)
        return tuple(f"{self.name} p({label})" for label in self.classes)

    def known(self, value: float) -> tuple[float, ...]:
        """Return what the outputs should be: the value, or 1 for its class, else 0."""
        if not self.classes or math.isnan(value):
            return (value,) * len(self.outputs)
        return tuple(float(k == value) for k in range(len(self.classes)))

    def label(self, answers: Sequence[float]) -> str:
        """Return the most probable class.

        Args:
            answers: The probabilities of its classes.
        """
        return self.classes[max(range(len(answers)), key=answers.__getitem__)]

    def learned(self, y: Tensor) -> Tensor:
        """Return what is learnt of values in the target's unit."""
        return _FORWARD[self.transform](y) if self.transform else y

    def in_unit(self, value: Tensor) -> Tensor:
        """Return the value in the target's unit of what was learnt."""
        return _BACKWARD[self.transform](value) if self.transform else value


@dataclass(frozen=True, slots=True)
class OutputLayout:
    """The outputs of all targets, in their order.

    Numbers have one output each; a target of classes has one for each of them, the
    logits of a softmax.

    Attributes:
        targets: One entry per target.
    """

    targets: tuple[TargetOutputs, ...]

    @classmethod
    def of(cls, config: Config) -> OutputLayout:
        """Return the layout that a configuration asks for."""
        transforms = config.training.target_transform
        return cls.make(config.data.targets, config.data.classes, transforms)

    @classmethod
    def make(
        cls,
        names: Sequence[str],
        classes: Mapping[str, Sequence[str]] | None = None,
        transforms: Mapping[str, str] | None = None,
    ) -> OutputLayout:
        """Lay the outputs out for targets of these names, classes and transforms."""
        targets, start = [], 0
        for name in names:
            labels = tuple((classes or {}).get(name, ()))
            transform = (transforms or {}).get(name, "")
            targets.append(TargetOutputs(name, start, labels, transform))
            start = targets[-1].columns.stop
        return cls(tuple(targets))

    @property
    def num_outputs(self) -> int:
        """Number of outputs."""
        return self.targets[-1].columns.stop if self.targets else 0

    @property
    def outputs(self) -> tuple[str, ...]:
        """What the outputs are called, those of all targets."""
        return tuple(name for target in self.targets for name in target.outputs)

    def known(self, values: Mapping[str, float]) -> dict[str, float]:
        """Return what the outputs should be for known targets, NaN where unknown."""
        return {
            name: value
            for target in self.targets
            for name, value in zip(
                target.outputs,
                target.known(values.get(target.name, math.nan)),
                strict=True,
            )
        }

    def activate(self, raw: Tensor, activation: str) -> Tensor:
        """Apply the output activation to numbers that are learnt as they are.

        Shapes:
            - **input, output:** :math:`(B, T_{out})`
        """
        if activation == "identity":
            return raw
        if activation == "softplus":
            active = torch.nn.functional.softplus(raw)
        else:  # clamp at zero, with the gradient of the identity
            active = raw + (raw.relu() - raw).detach()
        parts = [
            (raw if target.classes or target.transform else active)[:, target.columns]
            for target in self.targets
        ]
        return torch.cat(parts, dim=-1)

    def answers(self, learned: Tensor) -> Tensor:
        """Return numbers in their units, and probabilities of classes.

        Shapes:
            - **input, output:** :math:`(B, T_{out})`
        """
        if not any(target.classes or target.transform for target in self.targets):
            return learned
        parts = [
            learned[:, target.columns].softmax(dim=-1)
            if target.classes
            else target.in_unit(learned[:, target.columns])
            for target in self.targets
        ]
        return torch.cat(parts, dim=-1)
