"""Types of settings with their limits.

The upper ones lie far above any use. Beyond them a run would not end, or end in a
number that does not fit the machine: better to say so when the settings are read.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from pyg_sitenet.brief import brief
from pyg_sitenet.config.labels import as_label

GROUP = "group:"

Fraction = Annotated[float, Field(ge=0, lt=1)]
# A name is a column of a table; a longer one is a file that was taken for a name.
Name = Annotated[str, Field(max_length=1000)]
# Paths may be long.
Text = Annotated[str, Field(max_length=10_000)]
# A matrix between two such layers takes 17 GB.
MAX_WIDTH = 2**16
Width = Annotated[int, Field(ge=1, le=MAX_WIDTH)]
# Published networks have three layers; gradients vanish long before this.
Widths = Annotated[tuple[Width, ...], Field(max_length=100)]
# Heads, blocks or members: each block is a dozen tensors, a millisecond to make.
Modules = Annotated[int, Field(ge=1, le=1000)]
# The pairs of a crystal are its sites times this.
Atoms = Annotated[int, Field(ge=1, le=10**6)]
# What is counted in a run: epochs, batches, steps, sites and pairs of a batch.
Count = Annotated[int, Field(ge=1, le=10**12)]
CountOrZero = Annotated[int, Field(ge=0, le=10**12)]
# Sampling an epoch multiplies it by 1,000,003: the result must fit 64 bits.
MAX_SEED = 10**13
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
# Timers of the system take no more; four months.
Seconds = Annotated[float, Field(gt=0, le=1e7)]
Minutes = Annotated[float, Field(gt=0, le=1e6)]


# Of heads, angstrom.
Length = Annotated[float, Field(ge=0.01, le=1000)]


def _check_label(label: object) -> str:
    if not isinstance(label, (str, bool, int, float)):
        raise ValueError("a label is a text, a number or a boolean")
    return as_label(label)


def _check_labels(labels: tuple[str, ...]) -> tuple[str, ...]:
    if len(labels) == 1:
        raise ValueError("a target of classes needs two of them or more")
    earlier: set[str] = set()
    for label in labels:
        if label in earlier:
            raise ValueError(f"the class {brief(label)} is there twice")
        earlier.add(label)
    return labels


def _check_split(split: str) -> str:
    if split in ("random", "composition"):
        return split
    if split.startswith(GROUP) and split.removeprefix(GROUP).strip():
        return GROUP + split.removeprefix(GROUP).strip()
    raise ValueError("expected random, composition or group:COLUMN")


Label = Annotated[Name, BeforeValidator(_check_label)]
Labels = Annotated[
    tuple[Label, ...], Field(max_length=10_000), AfterValidator(_check_labels)
]
Split = Annotated[Name, AfterValidator(_check_split)]
