import pytest


def test_unknown_search_setting_ends_with_one_line(sitenet, crystals, small, tmp_path):
    pytest.importorskip("ray", reason="needs the extra: pip install pyg-sitenet[ray]")
    words = ["--search", "model.residual", "--output", tmp_path / "search"]
    done = sitenet("tune", crystals, *words, *small)
    assert done.exit_code == 1
    assert "model.residual: has no range to search in" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
