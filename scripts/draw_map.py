"""Draw the table of modules and folders in CONTRIBUTING.md as docs/map.svg."""

import argparse
import re
import textwrap
from collections.abc import Iterator
from html import escape
from pathlib import Path

ROOT = Path(__file__).parents[1]
COLUMNS = {  # the first row of each, and its title
    "errors.py": "used everywhere",
    "data/": "crystals",
    "data/readers/": "sources, graphs, batches",
    "nn/": "the network",
    "ready_models.py": "models in use",
    "figures/": "training and scores",
    "tuning/": "on top",
}
WIDTH, GAP, LINE, TOP = 196, 26, 13, 64
_FONT = 'font-family="Helvetica, Arial, sans-serif"'

Row = tuple[str, str]


def read_table() -> list[Row]:
    """Return the rows of the table: module or folder, and what it holds."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return re.findall(r"^\| `([\w/]+(?:/|\.py))` \| (.+) \|$", text, re.MULTILINE)


def columns(rows: list[Row]) -> list[tuple[str, list[Row]]]:
    """Divide the rows into columns, each with its title."""
    parts: list[tuple[str, list[Row]]] = []
    for row in rows:
        if row[0] in COLUMNS:
            parts.append((COLUMNS[row[0]], []))
        parts[-1][1].append(row)
    return parts


def draw(rows: list[Row]) -> str:
    """Return the picture: columns from left to right, each read downwards."""
    parts = columns(rows)
    shapes, heights = [], []
    for number, (title, part) in enumerate(parts):
        left = GAP + number * (WIDTH + GAP)
        boxes, height = _column(left, part)
        shapes += [_text(left, TOP - 12, title, 'font-size="14" fill="#444"'), *boxes]
        heights.append(height)
        if number:
            shapes.append(_arrow(left - GAP + 3, TOP - 17))
    width = GAP + len(parts) * (WIDTH + GAP)
    title = (
        "pyg_sitenet: each box imports only from boxes above it and to its left, "
        "a folder also from those inside it"
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
            f'height="{max(heights) + GAP}" {_FONT}>',
            '<rect width="100%" height="100%" fill="white"/>',
            _text(GAP, 26, title, 'font-size="16" fill="#222"'),
            *shapes,
            "</svg>\n",
        ]
    )


def _column(left: int, rows: list[Row]) -> tuple[list[str], int]:
    shapes, y = [], TOP
    for name, text in rows:
        depth = name.rstrip("/").count("/")
        x, lines = left + 8 * depth, list(_wrapped(text, depth))
        height = LINE * (len(lines) + 1) + 9
        fill = "#dbe9f6" if name.endswith("/") else "#f1f1f1"
        shapes += [
            f'<rect x="{x}" y="{y}" width="{WIDTH - 8 * depth}" height="{height}" '
            f'rx="4" fill="{fill}" stroke="#7a8fa6"/>',
            _text(x + 7, y + 15, name, 'font-size="12" font-weight="bold"'),
        ]
        for number, line in enumerate(lines, start=2):
            shapes.append(_text(x + 7, y + 2 + LINE * number, line, 'font-size="10"'))
        y += height + 5
    return shapes, y


def _wrapped(text: str, depth: int) -> Iterator[str]:
    yield from textwrap.wrap(text.replace("`", ""), 31 - 2 * depth)


def _text(x: int, y: int, text: str, style: str) -> str:
    return f'<text x="{x}" y="{y}" {style}>{escape(text)}</text>'


def _arrow(x: int, y: int) -> str:
    end = x + GAP - 8
    return (
        f'<path d="M{x} {y}H{end}M{end - 5} {y - 4}L{end} {y}L{end - 5} {y + 4}" '
        'stroke="#444" fill="none"/>'
    )


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "map.svg")
    options = parser.parse_args()
    options.output.write_text(draw(read_table()), encoding="utf-8")


if __name__ == "__main__":
    main()
