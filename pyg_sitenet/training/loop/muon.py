"""Muon: steps of weight matrices that turn all directions alike."""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

import torch
from torch import Tensor, nn

from pyg_sitenet.config import TrainingConfig

__all__ = ["Muon", "make_optimizer", "orthogonalize"]

# One iteration is a X + b X X' X + c X X' X X' X (Jordan et al. 2024): it raises small
# singular values as fast as possible and ends between 0.7 and 1.2, not at 1.
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5
_STEP = 0.2  # root mean square of a step of AdamW, in learning rates
_MOMENTUM = 0.95
# Without the hooks that PyTorch wraps around it: they belong to the whole step.
_ADAMW_STEP = inspect.unwrap(torch.optim.AdamW.step)
_SMALLEST = 8  # rows or columns: the logits of a few heads have no directions to turn


class Muon(torch.optim.AdamW):
    r"""AdamW that gives some matrices orthogonal steps instead of its own.

    With the momentum :math:`m` of the gradient :math:`g` a matrix of r rows and c
    columns becomes

    .. math:: W - \eta \left(\lambda W + 0.2 \sqrt{\max(r, c)} \;
        \mathrm{orth}(0.05 g + 0.95 m)\right)

    where orth sets all singular values to about 1, so that rare directions are learnt
    as fast as frequent ones. The factor makes the step as large as one of AdamW (Liu et
    al. 2025, arXiv 2502.16982): learning rate and weight decay serve both.

    ``torch.optim.Muon`` takes one matrix after the other, in bfloat16, and no other
    weights. For the matrices of ``default`` that took 13 times as long on a CPU.

    Args:
        params: All weights to train.
        matrices: Those of them that are matrices and get orthogonal steps.
        lr: Learning rate.
        weight_decay: Decay of all weights, in learning rates.
        eps: Added to AdamW's denominators.
        amsgrad: Whether AdamW keeps the largest second moments.
        fused: Whether AdamW changes its weights in one call.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        matrices: Iterable[nn.Parameter],
        *,
        lr: float,
        weight_decay: float,
        eps: float,
        amsgrad: bool = False,
        fused: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            weight_decay=weight_decay,
            eps=eps,
            amsgrad=amsgrad,
            fused=fused,
        )
        self.matrices = tuple(matrices)

    @torch.no_grad()
    def step(  # type: ignore[override]
        self, closure: Callable[[], float] | None = None
    ) -> float | None:
        """Change all weights that have a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        shapes = defaultdict(list)
        for matrix in self.matrices:
            if matrix.grad is not None:
                shapes[tuple(sorted(matrix.shape))].append((matrix, matrix.grad))
                matrix.grad = None  # AdamW leaves a weight without gradient alone
        for matrices in shapes.values():
            self._step_together(matrices)
        _ADAMW_STEP(self)
        for matrix, gradient in chain.from_iterable(shapes.values()):
            matrix.grad = gradient
        return loss

    def _step_together(self, matrices: list[tuple[nn.Parameter, Tensor]]) -> None:
        """Change matrices of one shape, or that of their transposes."""
        rate = self.param_groups[0]["lr"]
        decay = self.param_groups[0]["weight_decay"]
        momenta = [_wide(self._momentum(*pair)) for pair in matrices]
        steps = orthogonalize(torch.stack(momenta))
        for (matrix, _), step in zip(matrices, steps, strict=True):
            size = rate * _STEP * max(matrix.shape) ** 0.5
            matrix.mul_(1 - rate * decay).sub_(_like(step, matrix), alpha=size)

    def _momentum(self, matrix: nn.Parameter, gradient: Tensor) -> Tensor:
        """Return the gradient, looked ahead by its running mean (Nesterov)."""
        state = self.state[matrix]
        if not state:  # under the names of AdamW, which looks for them on loading
            state["step"] = torch.zeros(())
            state["exp_avg"] = torch.zeros_like(matrix)
        state["step"] += 1
        mean: Tensor = state["exp_avg"].lerp_(gradient, 1 - _MOMENTUM)
        return gradient.lerp(mean, _MOMENTUM)


def make_optimizer(model: nn.Module, config: TrainingConfig) -> Muon:
    """Return the optimiser of the weights that are trained.

    With ``muon`` the matrices of the blocks and of the readout get orthogonal steps,
    but for its last layer; with ``adamw`` none.
    """
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    return Muon(
        weights,
        _inner_matrices(model) if config.optimizer == "muon" else (),
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        eps=config.eps,
        amsgrad=config.amsgrad,
        # One call for all weights; mixed precision scales gradients in between.
        fused=config.precision == "float32",
    )


def _inner_matrices(model: nn.Module) -> Iterator[nn.Parameter]:
    for name, weight in model.named_parameters():
        inner = name.startswith(("blocks", "readout")) and "readout.linear" not in name
        is_matrix = weight.ndim == 2 and min(weight.shape) >= _SMALLEST
        if inner and is_matrix and weight.requires_grad:
            yield weight


def orthogonalize(matrices: Tensor) -> Tensor:
    """Return matrices with the same singular vectors and values of about 1.

    Singular values below a thousandth of the norm stay smaller, zeros stay zeros.

    Shapes:
        - **matrices:** :math:`(M, R, C)` with :math:`R <= C`, for speed
    """
    a, b, c = _COEFFICIENTS
    x: Tensor = matrices / (matrices.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(_ITERATIONS):
        square = x @ x.mT
        x = torch.baddbmm(
            x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a
        )
    return x


def _wide(matrix: Tensor) -> Tensor:
    """Return a matrix, or its transpose if that has fewer rows."""
    wide: Tensor = matrix.mT if matrix.size(0) > matrix.size(1) else matrix
    return wide


def _like(step: Tensor, matrix: Tensor) -> Tensor:
    """Return the step of a matrix in the matrix's own shape."""
    turned: Tensor = step if step.shape == matrix.shape else step.mT
    return turned
