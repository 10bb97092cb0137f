"""Known values are taken where there are some, and not asked for where not."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from pyg_sitenet.errors import DataError
from pyg_sitenet.model_file import read_description
from pyg_sitenet.prediction.known_values import open_known

STRUCTURES = Path(__file__).parents[2] / "examples/structures"


@pytest.mark.parametrize("packed", [False, True])
def test_structures_without_a_table_have_no_known_values(
    tmp_path: Path, *, packed: bool
) -> None:
    place = STRUCTURES
    if packed:
        place = tmp_path / "plain.zip"
        with zipfile.ZipFile(place, "w") as archive:
            archive.write(STRUCTURES / "Si.cif", "Si.cif")
    description = read_description("band-gap")
    source, targets = open_known(place, description)
    assert targets == []
    assert "Si" in {Path(entry.id).stem for entry in source.entries()}
    with pytest.raises(DataError, match="no table with targets; add a CSV file"):
        open_known(place, description, needed=True)
