"""Errors as people read them."""

import pytest

from pyg_sitenet import load_predictor
from pyg_sitenet.data.sources import open_source
from pyg_sitenet.errors import SiteNetError


@pytest.mark.parametrize("read", [open_source, load_predictor])
def test_a_path_of_5000_letters_is_shortened(read) -> None:
    with pytest.raises(SiteNetError, match=r"^/a{199}\.\.\.a{199}: no such") as error:
        read("/" + "a" * 5000)
    assert len(str(error.value)) < 800


def test_a_path_that_may_be_looked_for_is_shown_whole() -> None:
    path = "/folder" * 140
    assert str(SiteNetError(f"{path}: no such file")) == f"{path}: no such file"
