"""Kernels of a hidden layer: from the product of the features to what is made of z.

A program works on a tile of ``BP`` pairs by ``CP`` channels, the next power of two.
Rows of the product, of the terms of receivers (``r_``) and senders (``s_``) and of
their gradients are ``CS`` long, a multiple of 16 for wide loads, and zero beyond the
``C`` channels; rows of the product begin ``PS`` apart. Whatever numbers are stored as,
all is computed in the type of the weight of the use. A pair of a site that is not there
gives NaN and writes nowhere.
"""

from __future__ import annotations

import triton
import triton.language as tl

MISH, SILU, RELU = range(3)
PARTS = tl.constexpr(32)  # rows that programs add sums over all pairs to
# Compiled once for all of these values, and wherever indices lie in memory.
_kernel = triton.jit(
    do_not_specialize=["count", "r_count", "s_count", "places"],
    do_not_specialize_on_alignment=["r_index", "s_index", "place"],
)


@triton.jit
def _tile(count, BP: tl.constexpr, CP: tl.constexpr):
    """Return the pairs of this program, which of them exist, and the channels."""
    p = tl.program_id(0) * BP + tl.arange(0, BP)
    is_pair = p < count
    return tl.where(is_pair, p, 0), is_pair, tl.arange(0, CP)


@triton.jit
def _look_up(index, p, is_pair, number):
    """Return where each pair points, and whether there is something."""
    row = tl.load(index + p)
    return row, is_pair & (row >= 0) & (row < number)


@triton.jit
def _add_term(u, terms, index, number, p, is_pair, c, CS: tl.constexpr):
    row, is_there = _look_up(index, p, is_pair, number)
    mask = is_there[:, None] & (c < CS)[None, :]
    u += tl.load(terms + row[:, None] * CS + c[None, :], mask, other=0.0).to(u.dtype)
    return tl.where((is_pair & ~is_there)[:, None], float("nan"), u)


@triton.jit
def _add_to_sums(sums, g, index, number, p, is_pair, c, CS: tl.constexpr):
    row, is_there = _look_up(index, p, is_pair, number)
    mask = is_there[:, None] & (c < CS)[None, :]
    tl.atomic_add(sums + row[:, None] * CS + c[None, :], g, mask, sem="relaxed")


@triton.jit
def _hidden(
    product, r_terms, s_terms, r_index, s_index, r_count, s_count, p, is_pair, c,
    TYPE: tl.constexpr, EPS: tl.constexpr, ACT: tl.constexpr,
    C: tl.constexpr, CS: tl.constexpr, PS: tl.constexpr,
):  # fmt: skip
    """Return u, its gate (the activation is their product), z and the norm's factor."""
    mask = is_pair[:, None] & (c < CS)[None, :]
    u = tl.load(product + p[:, None] * PS + c[None, :], mask, other=0.0).to(TYPE)
    if s_terms is None:
        u += tl.load(r_terms + c, c < CS, other=0.0).to(TYPE)[None, :]
    else:
        u = _add_term(u, r_terms, r_index, r_count, p, is_pair, c, CS)
        u = _add_term(u, s_terms, s_index, s_count, p, is_pair, c, CS)
    if ACT == 0:
        e = tl.exp(u)
        gate = 1.0 / (1.0 + 1.0 / (e + 0.5 * e * e))  # right for large |u| too
    elif ACT == 1:
        gate = 1.0 / (1.0 + tl.exp(-u))
    else:
        gate = tl.where(u > 0, 1.0, 0.0).to(TYPE)
    is_channel = (c < C)[None, :]
    z = tl.where(is_channel, u * gate, 0.0)
    factor = tl.sum(z, 1) * 0.0 + 1.0
    if EPS is not None:
        z = tl.where(is_channel, z - (tl.sum(z, 1) / C)[:, None], 0.0)
        factor = 1.0 / tl.sqrt(tl.sum(z * z, 1) / C + EPS)
        z *= factor[:, None]
    return u, gate, z, factor


@triton.jit
def _pull_back(
    g, u, gate, z, factor, product, r_sums, s_sums, r_index, s_index, r_count, s_count,
    p, is_pair, c, EPS: tl.constexpr, ACT: tl.constexpr, C: tl.constexpr,
    CS: tl.constexpr, PS: tl.constexpr,
):  # fmt: skip
    """Bring the gradient of z back to u, over the product, and add it to the sites'."""
    if EPS is not None:
        mean = (tl.sum(g, 1) / C)[:, None]
        g = (g - mean - z * (tl.sum(g * z, 1) / C)[:, None]) * factor[:, None]
    if ACT == 0:
        g *= gate + u * (1.0 - gate * gate) / (1.0 + tl.exp(-u))
    elif ACT == 1:
        g *= gate + gate * (u - u * gate)
    else:
        g *= gate
    g = tl.where((c < C)[None, :], g, 0.0)
    mask = is_pair[:, None] & (c < CS)[None, :]
    to = product + p[:, None] * PS + c[None, :]
    tl.store(to, g.to(product.dtype.element_ty), mask)
    if s_sums is not None:
        _add_to_sums(r_sums, g, r_index, r_count, p, is_pair, c, CS)
        _add_to_sums(s_sums, g, s_index, s_count, p, is_pair, c, CS)


@_kernel
def logits(
    product, r_terms, s_terms, r_index, s_index, count, r_count, s_count, out, weight,
    H: tl.constexpr, EPS: tl.constexpr, ACT: tl.constexpr, PS: tl.constexpr,
    C: tl.constexpr, CS: tl.constexpr, CP: tl.constexpr, BP: tl.constexpr,
):  # fmt: skip
    """``out[p, h] = sum_c weight[h, c] z[p, c]``."""
    p, is_pair, c = _tile(count, BP, CP)
    _, _, z, _ = _hidden(
        product, r_terms, s_terms, r_index, s_index, r_count, s_count, p, is_pair, c,
        weight.dtype.element_ty, EPS, ACT, C, CS, PS,
    )  # fmt: skip
    for h in tl.static_range(H):
        row = tl.load(weight + h * C + c, c < C, other=0.0)
        tl.store(out + p * H + h, tl.sum(z * row[None, :], 1), is_pair)


@_kernel
def logits_backward(
    product, r_terms, s_terms, r_index, s_index, count, r_count, s_count,
    r_sums, s_sums, grad, weight, parts,
    H: tl.constexpr, EPS: tl.constexpr, ACT: tl.constexpr, PS: tl.constexpr,
    C: tl.constexpr, CS: tl.constexpr, CP: tl.constexpr, BP: tl.constexpr,
):  # fmt: skip
    """From ``grad[p, h]`` of the logits; ``parts[:, h]`` add up to the weight's."""
    p, is_pair, c = _tile(count, BP, CP)
    u, gate, z, factor = _hidden(
        product, r_terms, s_terms, r_index, s_index, r_count, s_count, p, is_pair, c,
        weight.dtype.element_ty, EPS, ACT, C, CS, PS,
    )  # fmt: skip
    g = tl.zeros_like(z)
    for h in tl.static_range(H):
        of_logit = tl.load(grad + p * H + h, is_pair, other=0.0)[:, None]
        g += of_logit * tl.load(weight + h * C + c, c < C, other=0.0)[None, :]
        to = parts + (tl.program_id(0) % PARTS * H + h) * C + c
        tl.atomic_add(to, tl.sum(of_logit * z, 0), c < C, sem="relaxed")
    _pull_back(
        g, u, gate, z, factor, product, r_sums, s_sums, r_index, s_index,
        r_count, s_count, p, is_pair, c, EPS, ACT, C, CS, PS,
    )  # fmt: skip


@_kernel
def heads(
    product, r_terms, s_terms, r_index, s_index, count, r_count, s_count,
    sums, alpha, place, places,
    H: tl.constexpr, EPS: tl.constexpr, ACT: tl.constexpr, PS: tl.constexpr,
    C: tl.constexpr, CS: tl.constexpr, CP: tl.constexpr, BP: tl.constexpr,
):  # fmt: skip
    """``sums[place[p], h] += alpha[p, h] z[p]``, rows of ``CS``."""
    p, is_pair, c = _tile(count, BP, CP)
    _, _, z, _ = _hidden(
        product, r_terms, s_terms, r_index, s_index, r_count, s_count, p, is_pair, c,
        alpha.dtype.element_ty, EPS, ACT, C, CS, PS,
    )  # fmt: skip
    row, is_place = _look_up(place, p, is_pair, places)
    mask = is_place[:, None] & (c < CS)[None, :]
    for h in tl.static_range(H):
        share = tl.load(alpha + p * H + h, is_pair, other=0.0)[:, None]
        to = sums + (row[:, None] * H + h) * CS + c[None, :]
        tl.atomic_add(to, share * z, mask, sem="relaxed")


@_kernel
def heads_backward(
    product, r_terms, s_terms, r_index, s_index, count, r_count, s_count,
    r_sums, s_sums, grad, alpha, alpha_grad, place, places,
    H: tl.constexpr, EPS: tl.constexpr, ACT: tl.constexpr, PS: tl.constexpr,
    C: tl.constexpr, CS: tl.constexpr, CP: tl.constexpr, BP: tl.constexpr,
):  # fmt: skip
    """From ``grad[place[p], h]`` of the sums, rows of ``CS``."""
    p, is_pair, c = _tile(count, BP, CP)
    u, gate, z, factor = _hidden(
        product, r_terms, s_terms, r_index, s_index, r_count, s_count, p, is_pair, c,
        alpha.dtype.element_ty, EPS, ACT, C, CS, PS,
    )  # fmt: skip
    row, is_place = _look_up(place, p, is_pair, places)
    mask = is_place[:, None] & (c < CS)[None, :]
    g = tl.zeros_like(z)
    for h in tl.static_range(H):
        at = grad + (row[:, None] * H + h) * CS + c[None, :]
        of_sum = tl.load(at, mask, other=0.0)
        tl.store(alpha_grad + p * H + h, tl.sum(of_sum * z, 1), is_pair)
        g += tl.load(alpha + p * H + h, is_pair, other=0.0)[:, None] * of_sum
    _pull_back(
        g, u, gate, z, factor, product, r_sums, s_sums, r_index, s_index,
        r_count, s_count, p, is_pair, c, EPS, ACT, C, CS, PS,
    )  # fmt: skip


@_kernel
def rows(
    product, r_terms, s_terms, r_index, s_index, count, r_count, s_count,
    out, weight, shift, features,
    EPS: tl.constexpr, ACT: tl.constexpr, PS: tl.constexpr,
    C: tl.constexpr, CS: tl.constexpr, CP: tl.constexpr, BP: tl.constexpr,
):  # fmt: skip
    """``out[p] = weight z[p] + shift``, plus the features of the pair if given."""
    p, is_pair, c = _tile(count, BP, CP)
    _, _, z, _ = _hidden(
        product, r_terms, s_terms, r_index, s_index, r_count, s_count, p, is_pair, c,
        weight.dtype.element_ty, EPS, ACT, C, CS, PS,
    )  # fmt: skip
    at = p[:, None] * C + c[None, :]
    mask = is_pair[:, None] & (c < C)[None, :]
    result = z * tl.load(weight + c, c < C, other=0.0)[None, :]
    result += tl.load(shift + c, c < C, other=0.0)[None, :]
    if features is not None:
        result += tl.load(features + at, mask, other=0.0).to(result.dtype)
    tl.store(out + at, result.to(out.dtype.element_ty), mask)


@_kernel
def rows_backward(
    product, r_terms, s_terms, r_index, s_index, count, r_count, s_count,
    r_sums, s_sums, grad, weight, parts,
    EPS: tl.constexpr, ACT: tl.constexpr, PS: tl.constexpr,
    C: tl.constexpr, CS: tl.constexpr, CP: tl.constexpr, BP: tl.constexpr,
):  # fmt: skip
    """From ``grad[p]`` of the rows; ``parts`` add up to the weight's."""
    p, is_pair, c = _tile(count, BP, CP)
    u, gate, z, factor = _hidden(
        product, r_terms, s_terms, r_index, s_index, r_count, s_count, p, is_pair, c,
        weight.dtype.element_ty, EPS, ACT, C, CS, PS,
    )  # fmt: skip
    mask = is_pair[:, None] & (c < C)[None, :]
    g = tl.load(grad + p[:, None] * C + c[None, :], mask, other=0.0).to(z.dtype)
    to = parts + tl.program_id(0) % PARTS * C + c
    tl.atomic_add(to, tl.sum(g * z, 0), c < C, sem="relaxed")
    g *= tl.load(weight + c, c < C, other=0.0)[None, :]
    _pull_back(
        g, u, gate, z, factor, product, r_sums, s_sums, r_index, s_index,
        r_count, s_count, p, is_pair, c, EPS, ACT, C, CS, PS,
    )  # fmt: skip


@triton.jit
def add_one(out):
    """``out[0] += 1``: whether kernels run at all."""
    tl.store(out, tl.load(out) + 1.0)
