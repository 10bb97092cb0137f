import pandas as pd
import pytest

from pyg_sitenet.cli.tune import show_best


def test_unknown_search_setting_ends_with_one_line(sitenet, crystals, small, tmp_path):
    pytest.importorskip("ray", reason="needs the extra: pip install pyg-sitenet[ray]")
    words = ["--search", "model.dropout", "--output", tmp_path / "search"]
    done = sitenet("tune", crystals, *words, *small)
    assert done.exit_code == 1
    assert "model.dropout: has no range to search in" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_best_trials_are_shown_side_by_side(capsys):
    names = [f"model.setting_with_a_name.{k}" for k in range(15)]
    table = {"trial": ["c5b1bb9e", "a7f25709"], "score": [0.7, 0.5], "epochs": [2, 9]}
    show_best(pd.DataFrame(table | {name: [3, 4] for name in names}))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    cells = [[cell for cell in line if cell not in "│┃"] for line in lines]
    assert ["trial", "a7f25709", "c5b1bb9e"] in cells  # the better one first
    assert ["score", "0.5", "0.7"] in cells
    assert all([name, "4", "3"] in cells for name in names)
