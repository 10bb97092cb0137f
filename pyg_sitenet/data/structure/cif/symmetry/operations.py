"""Symmetry operations: read, closed to a group, identified."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import gemmi
import numpy as np
import spglib
from pymatgen.core import SymmOp

from pyg_sitenet.data.geometry.lattice import Floats

# Share of a squared length: more than rounding, less than another crystal system.
METRIC_TOLERANCE = 0.025

_PART = re.compile(
    r"(?:[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:/\d+)?\*?[xyz]?|[+-]?[xyz](?:/\d+)?)"
    r"(?:[+-](?:(?:\d+(?:\.\d*)?|\.\d+)(?:/\d+)?\*?[xyz]?|[xyz](?:/\d+)?))*"
)
# Parts of an axis that translations of crystals are multiples of, supercells too.
_PARTS = 360
_ROUNDING = 0.004
# Digits after a decimal point, the last of which may be cut off.
_DECIMALS = re.compile(r"\.(\d+)")
# Translations of operations that were found within a tolerance differ by less.
_NEAR = 0.01


@dataclass(frozen=True, eq=False)
class Group:
    """Operations that form a group, fractional: ``rotations @ x + translations``.

    Args:
        texts: Each as coordinates, such as ``-x,y+1/2,z``.
        rotations: [num_operations, 3, 3]
        translations: [num_operations, 3]
        setting: The tabulated setting that has these operations, if any has.
    """

    texts: tuple[str, ...]
    rotations: Floats
    translations: Floats
    setting: gemmi.SpaceGroup | None

    def __len__(self) -> int:
        """Return the number of operations, those of centring too."""
        return len(self.texts)

    def number(self, cell: Floats) -> int:
        """Return the number of the type of space group, 0 if it is none."""
        if self.setting is not None:
            return int(self.setting.number)
        turns, numbers = np.rint(self.rotations).astype("intc"), [0]
        for symprec in (1e-5, _NEAR):  # exact ones, and those found within a tolerance
            kind = spglib.get_spacegroup_type_from_symmetry(
                turns, self.translations, cell, symprec
            )
            numbers.append(int(kind.number) if kind else 0)
        return max(numbers)

    def is_same(self, other: Group) -> bool:
        """Tell whether another list has these operations, in any order."""
        own = np.unique(_codes(self.rotations, self.translations))
        return np.array_equal(
            own, np.unique(_codes(other.rotations, other.translations))
        )

    def misfit(self, metric: Floats) -> str:
        """Return the operation that a cell does not have, or nothing."""
        scale = np.sqrt(np.outer(np.diag(metric), np.diag(metric)))
        turned = np.swapaxes(self.rotations, 1, 2) @ metric @ self.rotations
        off = np.abs((turned - metric) / scale).max(axis=(1, 2)) > METRIC_TOLERANCE
        return self.texts[int(off.argmax())] if off.any() else ""


@lru_cache(maxsize=256)
def read_operations(texts: tuple[str, ...]) -> Group:
    """Return the group of operations that are written as coordinates.

    Raises:
        ValueError: If one is no operation, or if they are no group.
    """
    identity = np.eye(3, 4)
    unique = {_key(identity): ("x,y,z", identity)}
    for text in texts:
        matrix = _matrix(text)
        unique[_key(matrix)] = (text, matrix)
    array = np.array([matrix for _, matrix in unique.values()])
    names = tuple(text for text, _ in unique.values())
    tabulated = _tabulated(array)
    _check_closed(tabulated, names)
    return Group(names, array[:, :, :3], array[:, :, 3], _setting(tabulated))


@lru_cache(maxsize=600)
def group_of_setting(setting: gemmi.SpaceGroup) -> Group:
    """Return the operations of a tabulated setting."""
    return _group(setting.operations(), setting)


@lru_cache(maxsize=256)
def group_of_hall(hall: str) -> Group:
    """Return the operations that a Hall symbol generates.

    Raises:
        RuntimeError: If it is none.
    """
    operations = gemmi.symops_from_hall(hall.replace("_", " "))
    return _group(operations, gemmi.find_spacegroup_by_ops(operations))


def _group(operations: gemmi.GroupOps, setting: gemmi.SpaceGroup | None) -> Group:
    listed = list(operations)
    array = np.array([operation.float_seitz()[:3] for operation in listed])
    texts = tuple(operation.triplet() for operation in listed)
    return Group(texts, array[:, :, :3], array[:, :, 3], setting)


def _matrix(text: str) -> Floats:
    # gemmi takes decimals for the nearest 24th: 0.918 for 11/12.
    matrix = _decimal_matrix(text) if "." in text else _fraction_matrix(text)
    determinant = np.linalg.det(matrix[:, :3])
    if not np.isfinite(matrix).all() or abs(abs(determinant) - 1) > 1e-6:
        raise ValueError(f"{text!r} is no symmetry operation")
    matrix[:, 3] %= 1
    return matrix


def _fraction_matrix(text: str) -> Floats:
    try:
        return np.array(gemmi.parse_triplet(text).float_seitz()[:3])
    except (RuntimeError, ValueError):  # such as 23/25, of an origin of its own
        return _decimal_matrix(text)


def _decimal_matrix(text: str) -> Floats:
    """Read what gemmi does not: any fraction or decimal, factors, rounded thirds."""
    plain = "".join(text.lower().split())
    parts = plain.split(",")
    if len(parts) != 3 or not all(_PART.fullmatch(part) for part in parts):
        raise ValueError(f"{text!r} is no symmetry operation")
    matrix = np.array(SymmOp.from_xyz_str(plain).affine_matrix[:3])
    for axis, part in enumerate(parts):
        digits = min(map(len, _DECIMALS.findall(part)), default=0)
        sixth = round(6 * matrix[axis, 3]) / 6
        if digits > 1 and abs(matrix[axis, 3] - sixth) < 10.0**-digits:
            matrix[axis, 3] = sixth
    return matrix


def _tabulated(array: Floats) -> Floats:
    """Return operations with the translations of tables that they are close to."""
    near = np.rint(array[:, :, 3] * gemmi.Op.DEN) / gemmi.Op.DEN
    is_near = np.abs(array[:, :, 3] - near) < _ROUNDING
    result = array.copy()
    result[:, :, 3] = np.where(is_near, near, array[:, :, 3])
    return result


def _key(matrix: Floats) -> tuple[int, ...]:
    shift = np.rint(matrix[:, 3] * _PARTS) % _PARTS
    turn = np.rint(matrix[:, :3] * 24)
    return tuple(int(part) for part in (*turn.ravel(), *shift))


def _codes(turns: Floats, shifts: Floats) -> Floats:
    """Return a number for each operation, equal for equal ones but for lattice steps.

    Args:
        turns: [..., 3, 3]
        shifts: [..., 3]
    """
    weights = np.sqrt(np.arange(2.0, 14.0))
    wrapped = np.rint(shifts * _PARTS) % _PARTS
    flat = turns.reshape(*turns.shape[:-2], 9)
    codes = flat @ weights[:9] + wrapped @ weights[9:]
    rounded: Floats = np.round(codes, 4)
    return rounded


def _check_closed(array: Floats, names: Sequence[str]) -> None:
    turns, shifts = array[:, :, :3], array[:, :, 3]
    products = turns[:, None] @ turns[None]
    steps = np.einsum("aij,bj->abi", turns, shifts) + shifts[:, None]
    is_listed = np.isin(_codes(products, steps), _codes(turns, shifts))
    for first, second in np.argwhere(~is_listed):
        turn, step = products[first, second], steps[first, second]
        if not _is_near(turn, step, turns, shifts, _tolerance(turns[first])):
            break
    else:
        return
    product = np.hstack([turn, step[:, None] % 1])
    text = SymmOp.from_rotation_and_translation(product[:, :3], product[:, 3])
    raise ValueError(
        f"{names[first]} after {names[second]} makes {text.as_xyz_str()}, which is not"
        f" among its {len(names)} operations"
    )


def _tolerance(turn: Floats) -> float:
    """Return how far a product with an operation may be off; odd axes multiply it."""
    return _NEAR * max(1.0, float(np.abs(turn).sum(axis=1).max()) / 2)


def _is_near(
    turn: Floats, step: Floats, turns: Floats, shifts: Floats, tolerance: float
) -> bool:
    """Tell whether an operation is one of a list but for its tolerance."""
    is_same = np.abs(turns - turn).max(axis=(1, 2)) < 1e-6
    apart = shifts[is_same] - step
    return bool(
        (np.abs(apart - np.rint(apart)).max(axis=1, initial=0) < tolerance).any()
    )


def _setting(array: Floats) -> gemmi.SpaceGroup | None:
    """Return the tabulated setting of operations; none if it has odd translations."""
    operations = []
    for matrix in array:
        scaled = matrix * gemmi.Op.DEN
        if np.abs(scaled - np.rint(scaled)).max() > 1e-6:
            return None
        operation = gemmi.Op()
        operation.rot = np.rint(scaled[:, :3]).astype(int).tolist()
        operation.tran = np.rint(scaled[:, 3]).astype(int).tolist()
        operations.append(operation)
    return gemmi.find_spacegroup_by_ops(gemmi.GroupOps(operations))
