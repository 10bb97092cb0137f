"""Targets of a prepared folder, in the order and the units that are asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from torch import Tensor

from pyg_sitenet.data.readers.units import Conversion, conversion
from pyg_sitenet.data.readers.wanted import check_targets
from pyg_sitenet.data.store.folder import PreparedFolder
from pyg_sitenet.errors import DataError


class PreparedTargets(NamedTuple):
    """Where the values of targets are in a prepared folder, and their conversion.

    Attributes:
        columns: Of ``y``, for each target.
        conversions: From the unit in the folder, for each target.
    """

    columns: list[int]
    conversions: list[Conversion]

    @classmethod
    def find(
        cls, folder: PreparedFolder, targets: Sequence[str], units: Mapping[str, str]
    ) -> PreparedTargets:
        """Find targets in a prepared folder.

        Args:
            folder: The folder.
            targets: Their names.
            units: Unit that a target is wanted in; others stay as they are.

        Raises:
            DataError: If the folder has no such target, or there is no conversion.
        """
        check_targets(targets, folder.recipe.targets, str(folder.path))
        columns = [folder.recipe.targets.index(target) for target in targets]
        return cls(columns, [_conversion(folder, target, units) for target in targets])

    def select(self, y: Tensor) -> Tensor:
        """Return the values of the targets, ``[N, T]``, from all that are prepared."""
        scale = y.new_tensor([conversion.scale for conversion in self.conversions])
        offset = y.new_tensor([conversion.offset for conversion in self.conversions])
        return y[:, self.columns] * scale + offset


def _conversion(
    folder: PreparedFolder, target: str, units: Mapping[str, str]
) -> Conversion:
    before = folder.units.get(target)
    wanted = units.get(target)
    if before is None or wanted is None:
        before = wanted = ""
    change = conversion(before, wanted)
    if change is None:
        raise DataError(
            f"{folder.path}: {target!r} was prepared in {before!r}, asked for in "
            f"{wanted!r}, and no conversion is known; prepare the crystals again in "
            "another folder"
        )
    return change
