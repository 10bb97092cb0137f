"""Does a compiled library compute what PyTorch does? A program that may crash.

Run as ``python -m pyg_sitenet.nn.fast.native.self_test LIBRARY``; the exit code is 0 if
all numbers agree, otherwise the last line of stderr says what does not.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pyg_sitenet.nn.fast.activations import ACTIVATIONS
from pyg_sitenet.nn.fast.device_layer import DeviceLayer
from pyg_sitenet.nn.fast.hidden_layer import (
    Features,
    HiddenLayer,
    Inputs,
    Receivers,
    Terms,
)
from pyg_sitenet.nn.fast.native.layer import NativeLayer
from pyg_sitenet.nn.fast.native.library import open_library

PAIRS, SITES, WIDTH, HEADS = 600, 9, 21, 3
TOLERANCE = 1e-5
"""Of the largest number; float32 sums of this length agree to 3e-6."""


class _Candidate(NativeLayer):
    """A layer of the library that is tried out."""

    library: ctypes.CDLL

    def _function(self) -> Any:  # noqa: ANN401 - of ctypes
        return self.library.sitenet_run


def main(path: str) -> str | None:
    """Return what is wrong with a library; None if nothing is."""
    try:
        _Candidate.library = open_library(Path(path))
    except OSError as error:
        return str(error)
    torch.manual_seed(0)
    torch.set_num_threads(2)
    for name, inputs in _cases():
        for part, (actual, expected) in enumerate(_both(inputs)):
            difference = float((actual - expected).abs().max())
            if not difference <= TOLERANCE * max(1.0, float(expected.abs().max())):
                return f"{name}, result {part}: off by {difference:g}"
    return None


def _cases() -> Iterator[tuple[str, Inputs]]:
    """Yield inputs of several tiles: single pairs of sites, and shared features."""
    mish, index = ACTIVATIONS[nn.Mish], torch.randint(SITES, (2, PAIRS))
    weight = torch.randn(WIDTH, WIDTH) / 4
    terms = Terms(torch.randn(SITES, WIDTH), torch.randn(SITES, WIDTH), weight)
    features = Features(torch.randn(PAIRS, WIDTH), None)
    yield "pairs of sites", Inputs(terms, features, index, mish, 1e-5)
    kind = torch.arange(PAIRS) // 7
    features = Features(torch.randn(int(kind[-1]) + 1, WIDTH), kind)
    yield "equal pairs", Inputs(terms, features, index, mish, 1e-5)
    terms = Terms(torch.randn(WIDTH), None, weight)
    yield "no sites", Inputs(terms, features, None, mish, 1e-5)


def _both(inputs: Inputs) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield each result of the candidate beside that of PyTorch in double."""
    numbers = [
        torch.randn(HEADS, WIDTH), torch.randn(PAIRS, HEADS),
        torch.randn(SITES, HEADS, WIDTH), torch.randn(2, WIDTH),
        torch.randn(PAIRS, WIDTH),
    ]  # fmt: skip
    to = torch.randint(SITES, (PAIRS,))
    yield from zip(
        _results(_Candidate, inputs, numbers, to),
        _results(DeviceLayer, _double(inputs), [x.double() for x in numbers], to),
        strict=True,
    )


def _results(
    form: type[HiddenLayer], inputs: Inputs, numbers: list[Tensor], to: Tensor
) -> list[Tensor]:
    """Return all that a layer computes, forward and backward."""
    weight, of_pairs, of_sites, affine, rows = numbers
    gradient = torch.zeros_like(inputs.features.rows)
    layer, receivers = form(inputs, gradient), Receivers(to, None, SITES)
    results = [
        layer.logits(weight),
        layer.heads(of_pairs, receivers),
        layer.rows(*affine, residual=True),
    ]
    results += [layer.logits_backward(weight, of_pairs), *_grads(layer)]
    results += [layer.heads_backward(of_pairs, receivers, of_sites), *_grads(layer)]
    results += [layer.rows_backward(affine[0], rows, residual=True), *_grads(layer)]
    return [*results, gradient]


def _grads(layer: HiddenLayer) -> list[Tensor]:
    return [grad for grad in layer.grads if grad is not None]


def _double(inputs: Inputs) -> Inputs:
    receiver, sender, weight = inputs.terms
    terms = Terms(
        receiver.double(), None if sender is None else sender.double(), weight.double()
    )
    features = Features(inputs.features.rows.double(), inputs.features.kind)
    return inputs._replace(terms=terms, features=features)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
