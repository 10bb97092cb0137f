"""Names from files neither command the terminal nor break the progress bar."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from pyg_sitenet.cli.main import app
from pyg_sitenet.cli.terminal import say, show_table
from pyg_sitenet.data.store.recipe import _progress_bar
from pyg_sitenet.safe_text import terminal_text


class Crowd:
    name, count = "m[/x]\x1b[2J", 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Fe₂O₃ [eV]", "Fe₂O₃ [eV]"),
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("a\nb\x7f\x9b", r"a\nb\x7f\x9b"),
        ("a\u202eb", r"a\u202eb"),
        ("a\udcffb", r"a\udcffb"),
    ],
)
def test_characters_that_a_terminal_obeys_are_written_out(text, shown, capsys):
    assert terminal_text(text) == shown
    say(text)
    assert capsys.readouterr().out == f"{shown}\n"


def test_table_shows_brackets_and_no_escape_sequence(capsys):
    show_table(["gap [/eV]"], [["m[/x]\x1b[31m"]])
    out = capsys.readouterr().out
    assert "gap [/eV]" in out
    assert r"m[/x]\x1b[31m" in out


def test_progress_bar_takes_a_name_for_no_markup(capsys):
    with _progress_bar(Crowd(), shown=True) as advance:
        advance(1)
    assert r"m[/x]\x1b[2J" in capsys.readouterr().err


def test_error_of_a_folder_named_like_markup_is_one_safe_line(tmp_path):
    path = tmp_path / "m[/x]\x1b[2J"
    done = CliRunner().invoke(app, ["info", str(path)])
    assert done.exit_code == 1
    assert "\x1b" not in done.output
    assert r"m[/x]\x1b[2J" in done.output


def test_help_names_the_extra():
    done = CliRunner().invoke(app, ["predict", "--help"], env={"COLUMNS": "200"})
    assert "pyg-sitenet[ray]" in done.output
