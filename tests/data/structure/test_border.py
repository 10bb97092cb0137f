"""Whatever a reader raises is a reason for its one crystal."""

import pytest

from pyg_sitenet.data.structure.border import reading
from pyg_sitenet.data.structure.load import load_structure
from pyg_sitenet.errors import StructureError


@pytest.mark.parametrize(
    "error",
    [
        *(StopIteration, UnboundLocalError, IndexError, RecursionError, KeyError),
        *(AssertionError, SystemError, TimeoutError, BufferError, ArithmeticError),
    ],
)
def test_error_of_a_reader_names_the_crystal_and_its_class(error):
    with (
        pytest.raises(StructureError, match=rf"^a\.cif: cannot .* \({error.__name__}"),
        reading("a.cif"),
    ):
        raise error


@pytest.mark.parametrize("name", ["a.json", "a.mson"])
def test_lists_in_lists_without_end_are_a_reason(tmp_path, name):
    (tmp_path / name).write_text('{"a":' * 100_000)
    with pytest.raises(StructureError, match=f"{name}: cannot be .*RecursionError"):
        load_structure(tmp_path / name)
