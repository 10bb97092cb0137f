"""Values in messages are one short line, whatever they would print."""

from __future__ import annotations

import pytest

from pyg_sitenet.brief import LONGEST, brief, brief_line


@pytest.mark.parametrize("value", [None, 3, "many", [1, 2], {"heads": 0}, -0.5])
def test_short_values_are_shown_as_they_are(value: object) -> None:
    assert brief(value) == repr(value)


def _bomb() -> list[object]:
    value: list[object] = ["x"]
    for _ in range(60):
        value = [value] * 9
    return value


@pytest.mark.parametrize(
    "value",
    [_bomb(), "x" * 10**7, 10**100_000, [10**9] * 10**6, {"k" * 10**6: "v" * 10**6}],
    ids=["bomb", "text", "number", "list", "mapping"],
)
def test_long_values_are_cut(value: object) -> None:
    assert len(brief(value)) <= LONGEST + 4


def test_texts_become_one_short_line() -> None:
    assert brief_line("a\n  b\t c") == "a b c"
    assert len(brief_line("x y" * 10**6)) <= LONGEST + 4
