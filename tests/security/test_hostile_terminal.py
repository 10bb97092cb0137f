"""Names from files neither command the terminal nor break the progress bar."""

from __future__ import annotations

import json
import logging
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from pyg_sitenet.cli.main import app
from pyg_sitenet.cli.terminal import say, say_json, show_table, showing_log
from pyg_sitenet.data.store.recipe import _progress_bar
from pyg_sitenet.ready_models import READY_MODELS
from pyg_sitenet.safe_text import terminal_text
from pyg_sitenet.training.loop.fit import _Bar


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


@pytest.mark.parametrize(
    "words",
    [
        ["--\x1b[2J"],
        ["pre\x1b[2Jdict"],
        ["info", "NaCl.cif", "--\x1b[2J"],
        ["info", "NaCl.cif", "\x9b[2J"],
        ["benchmark", "matbench_phonons", "--folds", "\x1b[2J"],
    ],
)
def test_wrong_usage_is_shown_safely(words):
    done = CliRunner().invoke(app, words, env={"COLUMNS": "200"})
    assert done.exit_code == 2
    assert "[2J" in done.output
    assert not {"\x1b", "\x9b"} & set(done.output)


def test_log_lines_are_shown_safely(capsys):
    with showing_log():
        logging.getLogger("pyg_sitenet.data").warning("m\x1b[2J: %s", "a\x9b\nb")
        logging.getLogger("pyg_sitenet.data").info("m: not for everybody")
    assert capsys.readouterr().err == "m\\x1b[2J: a\\x9b\nb\n"
    logging.getLogger("pyg_sitenet.data").warning("m: nobody is listening")
    assert "nobody" not in capsys.readouterr().err


def test_log_of_a_command_is_shown_safely(tmp_path):
    folder = tmp_path / "crystals\x1b[2J"
    folder.mkdir()
    (folder / "a.cif").write_text("data_a\n")
    (folder / "loop").symlink_to(folder)
    done = CliRunner().invoke(app, ["predict", "formation-energy", str(folder)])
    assert done.exit_code == 1
    assert "\x1b" not in done.output


def test_json_has_no_character_that_a_terminal_obeys(capsys):
    document = {"id": "a\x7f\x9b\x1b\u202e\n\udcff"}
    say_json(document)
    out = capsys.readouterr().out
    assert out.strip() == terminal_text(out.strip())
    assert json.loads(out) == document


def test_bar_of_the_training_shows_names_of_targets_safely():
    module = SimpleNamespace(trainer=None)
    trainer = SimpleNamespace(
        progress_bar_metrics={"train_mae gap\x1b[2J": 0.5}, loggers=[]
    )
    names = list(_Bar().get_metrics(trainer, module))
    assert names == [r"train_mae gap\x1b[2J"]


def test_card_of_a_ready_model_is_shown_line_by_line():
    done = CliRunner().invoke(app, ["info", "band-gap"])
    card = READY_MODELS["band-gap"].card.read_text(encoding="utf-8")
    assert done.exit_code == 0
    assert card.strip() in done.output
