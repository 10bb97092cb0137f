"""The documentation site takes its pages from where they lie in the repository.

A hook of MkDocs (`mkdocs.yml`): the site has the folders of the repository, so that a
link between two files means the same on the site as in the repository, and formulas
become MathML, which browsers show without a script. An extension of Griffe, which
reads the docstrings, turns what they say to Sphinx into Markdown.
"""

from __future__ import annotations

import html
import re
from pathlib import Path
from textwrap import dedent, indent

from griffe import Extension, Object
from latex2mathml.converter import convert
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
ROLE = re.compile(r":(?:attr|class|data|func|meth|mod|obj):`~?")
LINK = re.compile(r"`([^`<]+?)\s+<([^>`]+)>`_+")
INLINE = re.compile(r":math:`([^`]+)`")
FORMULA = re.compile(
    r'<(span|div) class="arithmatex">\\(?:\(|\[)(.*?)\\(?:\)|\])</\1>', re.S
)
NOTE = re.compile(r"^( *)\.\. note::$", re.M)
BLOCK = re.compile(
    r"^(?P<space> *)\.\. (?:math|code-block)::(?P<language>.*)\n"
    r"(?P<body>(?:(?P=space) +\S.*(?:\n|\Z)|[ ]*\n)+)",
    re.M,
)


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


def on_page_content(text: str, **_: object) -> str:
    """Show formulas as MathML."""
    return FORMULA.sub(mathml, text)


def mathml(formula: re.Match[str]) -> str:
    """Return what a formula of LaTeX is in MathML."""
    latex, is_block = html.unescape(formula[2]).strip(), formula[1] == "div"
    shown = convert(latex, display="block" if is_block else "inline")
    # What browsers read of it.
    shown = re.sub(r'columnalign="(\w+)"', r'style="text-align: \1"', shown)
    return f'<div style="overflow-x: auto">{shown}</div>' if is_block else shown


def fenced(block: re.Match[str]) -> str:
    """Return a formula or an example of Sphinx as a block of Markdown."""
    body, language = dedent(block["body"]).strip("\n"), block["language"].strip()
    if language:
        text = f"```{language}\n{body}\n```\n\n"
    else:
        rows = r" \\ ".join(" ".join(row.split()) for row in body.split("\n\n"))
        aligned = rf"\begin{{align*}} {rows} \end{{align*}}"
        text = f"\n$$\n{aligned if '&' in rows else rows}\n$$\n\n"
    return indent(text, block["space"])


def inline(formula: re.Match[str]) -> str:
    """Return a formula in a line of text for Markdown."""
    return f"${' '.join(formula[1].split())}$"


class MarkdownDocstrings(Extension):
    """Read docstrings as Markdown."""

    def on_object(self, *, obj: Object, **_: object) -> None:
        """Rewrite the docstring of an object that was read."""
        if obj.docstring is not None:
            text = BLOCK.sub(fenced, obj.docstring.value)
            text = INLINE.sub(inline, NOTE.sub(r"\1Note:", text))
            obj.docstring.value = ROLE.sub("`", LINK.sub(r"[\1](\2)", text))
