"""A hidden layer on pairs in compiled form: float32, mish and a norm, on the CPU."""

from __future__ import annotations

from ctypes import Structure, byref, c_float, c_int, c_int64, c_void_p
from typing import Any

import torch
from torch import Tensor, nn

from pyg_sitenet.nn.fast.activations import ACTIVATIONS
from pyg_sitenet.nn.fast.hidden_layer import HiddenLayer, Inputs, Receivers, Terms
from pyg_sitenet.nn.fast.native.compiler import PANEL
from pyg_sitenet.nn.fast.native.library import load_library

FEWEST_PAIRS = 256
"""Of a thread: fewer are done before it has started."""
_LOGITS, _HEADS, _ROWS = range(3)
_INDICES = ("kind", "j", "i", "row")


class _Struct(Structure):
    """Fields as in ``inputs.h``; keeps the tensors that it points to."""

    def __init__(self, **values: Tensor | float | None) -> None:
        super().__init__()
        self.tensors = [v for v in values.values() if isinstance(v, Tensor)]
        for name, value in values.items():
            if isinstance(value, Tensor):
                value = _address(name, value)
            setattr(self, name, value)


def _address(name: str, tensor: Tensor) -> int:
    """Return where a tensor begins; compiled code would misread another type."""
    expected = torch.long if name in _INDICES else torch.float32
    is_read_right = tensor.dtype == expected and tensor.is_contiguous()
    if not is_read_right or tensor.device.type != "cpu":
        raise TypeError(
            f"`{name}` of a layer must be a contiguous {expected} tensor on the CPU, "
            f"as are its features, got {tensor.dtype} on {tensor.device}: convert all "
            f"inputs and weights to one type"
        )
    return tensor.data_ptr()


def _pointers(*names: str) -> list[tuple[str, Any]]:
    return [(name, c_void_p) for name in names]


class _Layer(_Struct):
    _fields_ = [
        *_pointers("features", "weight", "weight_t", "sender", "receiver"),
        *_pointers("kind", "j", "i"), ("pairs", c_int64), ("depth", c_int),
        ("filled_depth", c_int), ("width", c_int), ("stride", c_int),
        ("eps", c_float), ("threads", c_int),
    ]  # fmt: skip


class _Use(_Struct):
    _fields_ = [
        *_pointers("weight", "shift", "values", "table", "row", "i"),
        ("count", c_int64), ("purpose", c_int), ("heads", c_int),
        ("residual", c_int),
    ]  # fmt: skip


class _Gradients(_Struct):
    _fields_ = _pointers(
        "values", "table", "weight_of_use", "sender", "receiver", "weight", "features"
    )


class NativeLayer(HiddenLayer):
    """Computes z in tiles that stay in a core's own cache, on all threads."""

    def __init__(self, inputs: Inputs, features_grad: Tensor | None = None) -> None:
        super().__init__(inputs, features_grad)
        self._check_index()
        receiver, sender, weight = self.terms
        self._filled = Terms(
            _fill_up(receiver), None if sender is None else _fill_up(sender),
            _fill_up(weight.t()),
        )  # fmt: skip
        depth, self._stride = self._filled.weight.shape
        weight_t = _fill_up(self._filled.weight.t())
        j, i = (None, None) if self.index is None else self.index
        self._layer = _Layer(
            features=self.features.rows.contiguous(), weight=self._filled.weight,
            weight_t=weight_t, sender=self._filled.sender,
            receiver=self._filled.receiver, kind=self.features.kind, j=j, i=i,
            pairs=self.num_pairs, depth=depth, filled_depth=weight_t.size(1),
            width=self.width, stride=self._stride, eps=self.eps,
            threads=self._threads(),
        )  # fmt: skip

    def logits(self, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return ``weight @ z + bias`` of each pair, ``[E, H]``."""
        logits = weight.new_empty(self.num_pairs, len(weight))
        self._run(_Use(purpose=_LOGITS, weight=_fill_up(weight), values=logits,
                       heads=len(weight)))  # fmt: skip
        return logits if bias is None else logits.add_(bias)

    def logits_backward(self, weight: Tensor, grad: Tensor) -> Tensor:
        """Return the gradient of the weight ``[H, C]`` from that of the logits."""
        weight = _fill_up(weight)
        use = _Use(purpose=_LOGITS, weight=weight, heads=len(weight))
        weight_grad = torch.zeros_like(weight)
        self._run_back(use, values=grad.contiguous(), weight_of_use=weight_grad)
        return weight_grad[:, : self.width]

    def heads(self, alpha: Tensor, receivers: Receivers) -> Tensor:
        """Return sums ``[n_dst, H, C]`` of ``alpha z``, alpha ``[P, H]``."""
        sums = alpha.new_zeros(receivers.num_sites, alpha.size(1), self._stride)
        self._run(_heads_use(alpha, receivers, table=sums), sums=len(sums))
        return sums[..., : self.width]

    def heads_backward(
        self, alpha: Tensor, receivers: Receivers, grad: Tensor
    ) -> Tensor:
        """Return the gradient of alpha ``[P, H]`` from that of the sums."""
        alpha_grad = alpha.new_empty(alpha.shape)
        use = _heads_use(alpha, receivers)
        self._run_back(use, values=alpha_grad, table=_fill_up(grad))
        return alpha_grad

    def rows(self, weight: Tensor, shift: Tensor, *, residual: bool) -> Tensor:
        """Return ``weight z + shift`` of each pair, plus its features if asked."""
        rows = weight.new_empty(self.num_pairs, self.width)
        self._run(_Use(purpose=_ROWS, weight=_fill_up(weight), shift=_fill_up(shift),
                       values=rows, heads=1, residual=residual))  # fmt: skip
        return rows

    def rows_backward(self, weight: Tensor, grad: Tensor, *, residual: bool) -> Tensor:
        """Return the gradient of the weight ``[C]`` from that of the rows."""
        weight = _fill_up(weight)
        use = _Use(purpose=_ROWS, weight=weight, heads=1, residual=residual)
        weight_grad = torch.zeros_like(weight)
        self._run_back(use, values=grad.contiguous(), weight_of_use=weight_grad)
        return weight_grad[: self.width]

    def _check_index(self) -> None:
        """Raise an error if a pair names what is not there: C would read on."""
        receiver, sender, weight = self.terms
        rows, kind = self.features
        if rows.size(1) != weight.size(1):
            raise ValueError(
                f"`edge_attr` must have {weight.size(1)} columns, got {rows.size(1)}"
            )
        named = [] if kind is None else [("kinds.of_pair", kind, rows)]
        if self.index is not None and sender is not None:
            named += [("edge_index", self.index[0], sender)]
            named += [("edge_index", self.index[1], receiver)]
        for name, index, table in named:
            if len(index) != self.num_pairs:
                raise IndexError(
                    f"`{name}` must have {self.num_pairs} pairs, got {len(index)}"
                )
            low, high = index.aminmax() if len(index) else (0, -1)
            if low < 0 or high >= len(table):
                raise IndexError(
                    f"index out of range: `{name}` must be from 0 to "
                    f"{len(table) - 1}, got {int(low)} to {int(high)}"
                )
        if kind is not None and not _rises(kind, 1):
            raise IndexError("`kinds.of_pair` must rise by steps of 0 or 1")

    def _function(self) -> Any:  # noqa: ANN401 - of ctypes
        return load_library().sitenet_run  # type: ignore[union-attr]

    def _threads(self) -> int:
        return max(1, min(torch.get_num_threads(), self.num_pairs // FEWEST_PAIRS))

    def _run_back(self, use: _Use, **grads: Tensor) -> None:
        """Run backward, and fill :attr:`grads`."""
        receiver, sender, weight = self._filled
        terms = Terms(
            torch.zeros_like(receiver),
            None if sender is None else torch.zeros_like(sender),
            torch.zeros_like(weight),
        )
        self._run(
            use, _Gradients(**grads, **terms._asdict(), features=self.features_grad)
        )
        self.grads = Terms(
            terms.receiver[..., : self.width],
            None if terms.sender is None else terms.sender[:, : self.width],
            terms.weight[:, : self.width].t(),
        )

    def _run(self, use: _Use, grads: _Gradients | None = None, sums: int = 0) -> None:
        receiver, sender, _ = self._filled
        failed = self._function()(
            byref(self._layer), byref(use), None if grads is None else byref(grads),
            0 if sender is None else len(sender),
            1 if receiver.dim() == 1 else len(receiver), sums,
        )  # fmt: skip
        if failed:
            raise MemoryError("no memory for the sums of a layer: take smaller batches")


def is_native(inputs: Inputs) -> bool:
    """Whether there is a compiled form for these inputs on this machine."""
    rows = inputs.features.rows
    return (
        rows.device.type == "cpu"
        and rows.dtype == torch.float32
        and inputs.activation is ACTIVATIONS[nn.Mish]
        and inputs.eps is not None
        and load_library() is not None
    )


def _rises(index: Tensor, most: int) -> bool:
    step = index.diff()
    return bool(((step >= 0) & (step <= most)).all())


def _heads_use(alpha: Tensor, to: Receivers, table: Tensor | None = None) -> _Use:
    if to.row is not None and not _rises(to.row, len(alpha)):
        raise IndexError("`kinds.of_pair` must rise from pair to pair")
    return _Use(
        purpose=_HEADS, values=alpha.contiguous(), heads=alpha.size(1), table=table,
        row=to.row, i=to.of_pair, count=len(alpha),
    )  # fmt: skip


def _fill_up(rows: Tensor) -> Tensor:
    """Fill rows up with zeros to whole panels."""
    return nn.functional.pad(rows, (0, -rows.size(-1) % PANEL)).contiguous()
