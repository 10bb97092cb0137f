"""An analysis leaves no figures of the one before, which may be of another model."""

from __future__ import annotations

from pathlib import Path

from pyg_sitenet.analysis.earlier_files import remove_earlier


def test_files_of_an_earlier_analysis_go_and_others_stay(tmp_path: Path) -> None:
    names = (
        "learning_curve.csv",
        "errors_2.png",
        "errors_by_element.csv",
        "parity.png",
    )
    others = ("my_errors.csv", "learning_curve.txt", "crystals.csv")
    crystal = tmp_path / "crystals" / "NaCl"
    for path in (
        *(tmp_path / n for n in (*names, "parity.png", *others)),
        crystal / "sites.csv",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "crystals" / "MgO").mkdir()
    (tmp_path / "crystals" / "MgO" / "note.txt").touch()
    remove_earlier(tmp_path, ["parity.png", "crystals.csv"])
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {*others, "parity.png", "crystals"}
    assert [path.name for path in (tmp_path / "crystals").iterdir()] == ["MgO"]
