"""Both ways in which the sites of pairs are looked up."""

from __future__ import annotations

import pytest

from pyg_sitenet.nn.fast import hidden_form


@pytest.fixture(params=["two tables", "one table"])
def tables(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Senders and receivers have tables of their own, or as on a GPU share one."""
    if request.param == "one table":
        monkeypatch.setattr(hidden_form, "WITHOUT_BAGS", ())
