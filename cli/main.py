"""The application: registers the commands, nothing else."""

import inspect
from collections.abc import Callable
from typing import Annotated

import typer

import pyg_sitenet

from .analyze import analyze
from .benchmark import benchmark
from .converge import converge
from .convert import convert
from .embed import embed
from .evaluate import evaluate
from .exit_codes import Commands, reporting_errors
from .info import info
from .predict import predict
from .prepare import prepare
from .train import train
from .tune import tune

app = typer.Typer(name="sitenet", cls=Commands, no_args_is_help=True)

COMMANDS = (
    train,
    predict,
    evaluate,
    prepare,
    info,
    benchmark,
    analyze,
    embed,
    converge,
    convert,
    tune,
)


def _help(command: Callable[..., None]) -> str:
    """Return the docstring with a line for each paragraph, for a terminal to break."""
    paragraphs = (inspect.getdoc(command) or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


for command in COMMANDS:
    app.command(help=_help(command))(reporting_errors(command))


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sitenet {pyg_sitenet.__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version."
        ),
    ] = False,
) -> None:
    """Crystal properties from structures with Site-Net.

    First steps: sitenet train (on the bundled band gaps), then
    sitenet predict RUN_FOLDER my_structures/ --output predictions.csv
    """
