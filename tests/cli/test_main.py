import inspect
import re
import subprocess
import sys
import textwrap

import pytest

import pyg_sitenet
from pyg_sitenet.cli.main import COMMANDS as FUNCTIONS

COMMANDS = {function.__name__: function for function in FUNCTIONS}


def test_help_names_every_command(sitenet):
    done = sitenet("--help")
    assert done.exit_code == 0
    assert all(name in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example(sitenet, command):
    done = sitenet(command, "--help")
    assert done.exit_code == 0
    assert f"Example: sitenet {command}" in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_what_stands_in_brackets(sitenet, command):
    """Rich takes ``[n, K]`` for markup and leaves it out, unless it is escaped."""
    words = re.findall(r"\\?(\[.+?\])", inspect.getdoc(COMMANDS[command]))
    assert all(word in sitenet(command, "--help").stdout for word in words)


@pytest.mark.parametrize("command", ["predict", "converge"])
def test_help_fills_the_lines_of_a_narrow_terminal(sitenet, command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    shown = [line.strip() for line in sitenet(command, "--help").stdout.splitlines()]
    for paragraph in inspect.getdoc(COMMANDS[command]).split("\n\n"):
        lines = textwrap.wrap(paragraph, 78, break_on_hyphens=False)
        start = shown.index(lines[0])
        assert shown[start : start + len(lines)] == lines


@pytest.mark.parametrize("command", COMMANDS)
def test_help_offers_encoded_crystals_where_they_are_taken(sitenet, command):
    """What is made of structures, or of other encodings, needs more than they hold."""
    words = " ".join(sitenet(command, "--help").stdout.replace("│", " ").split())
    takes_crystals = "a structure file or trajectory" in words
    is_offered = "a folder that sitenet prepare wrote" in words
    needs_structures = command in {"converge", "embed", "prepare"}
    assert is_offered == (takes_crystals and not needs_structures)


def test_interrupt_while_modules_are_loaded_says_nothing():
    code = """
import sys

class Interrupting:
    def find_spec(self, name, *_):
        if name == "typer":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupting())
from pyg_sitenet.cli.__main__ import run
run()
"""
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def test_version_is_printed(sitenet):
    assert sitenet("--version").stdout.strip() == f"sitenet {pyg_sitenet.__version__}"


@pytest.mark.parametrize(
    "words", [["trian"], ["predict"], ["train", "--no-such-option"]]
)
def test_wrong_usage_is_exit_code_2(sitenet, words):
    assert sitenet(*words).exit_code == 2
