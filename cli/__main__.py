"""The command ``sitenet``, also as ``python -m pyg_sitenet.cli``."""

import sys

_INTERRUPTED = 130


def run() -> None:
    """Run the application; an interrupt while it is still loaded ends it in silence."""
    try:
        from .main import app
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    app()


if __name__ == "__main__":
    run()
