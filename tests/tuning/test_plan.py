"""A search is continued as it was begun, which its folder says."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyg_sitenet.errors import ConfigError
from pyg_sitenet.tuning.plan import PLAN, make_plan


def test_what_is_not_given_is_the_default(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, {"num_trials": None, "concurrent": 2}, resume=False)
    assert (plan.num_trials, plan.concurrent, plan.grace_epochs) == (50, 2, 10)
    assert {"model.heads", "training.learning_rate"} <= {*plan.settings}


def test_default_of_the_search_to_continue_is_named(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, {}, resume=False)
    (tmp_path / PLAN).write_text(plan.model_dump_json())
    with pytest.raises(ConfigError, match="has concurrent = the default, not 2"):
        make_plan(tmp_path, {"concurrent": 2}, resume=True)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "No such file"), ("[]", "it is damaged"), ("{", "it is damaged")],
)
def test_search_that_does_not_say_how_it_was_begun_is_one_line(
    tmp_path: Path, content: str | None, reason: str
) -> None:
    if content is not None:
        (tmp_path / PLAN).write_text(content)
    message = rf"{PLAN}: does not say how .* begun: .*{reason}.*; start a new search"
    with pytest.raises(ConfigError, match=message):
        make_plan(tmp_path, {}, resume=True)
