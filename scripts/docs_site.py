"""The documentation site takes its pages from where they lie in the repository.

A hook of MkDocs (`mkdocs.yml`): the site has the folders of the repository, so that a
link between two files means the same on the site as in the repository.
"""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
# Every page, with the figures and scripts that pages link to.
SHOWN = (
    "*.md",
    "LICENSE",
    "docs/**/*",
    "examples/**/*",
    "benchmarks/*.md",
    "pyg_sitenet/config/*.py",
)
ROLE = re.compile(r":(?:attr|class|data|func|math|meth|mod|obj):<code>~?")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Put the files of the repository in the place of those of ``docs/``."""
    theme = [file for file in files if file.src_dir != config.docs_dir]
    paths = {path for pattern in SHOWN for path in ROOT.glob(pattern) if path.is_file()}
    names = sorted(
        path.relative_to(ROOT).as_posix()
        for path in paths
        if "__pycache__" not in path.parts
    )
    pages = [File(name, str(ROOT), config.site_dir, False) for name in names]
    return Files([*theme, *pages])


def on_page_content(html: str, **_: object) -> str:
    """Leave the roles of Sphinx out of what docstrings say."""
    return ROLE.sub("<code>", html)
