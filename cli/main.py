"""The application: registers the commands, nothing else."""

import typer

app = typer.Typer(
    name="sitenet",
    help="Crystal properties from structures with Site-Net.",
    no_args_is_help=True,
)


@app.callback()
def main() -> None:
    """Crystal properties from structures with Site-Net."""
