"""Run the command line with ``python -m pyg_sitenet.cli``."""

from .main import app

app()
