"""The page: tables, figures and the viewer in one HTML file that needs no network."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path

import jinja2
import pandas as pd
import plotly.graph_objects as go
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from pyg_sitenet.analysis.long_range import MEASURES
from pyg_sitenet.atomic_write import write_text
from pyg_sitenet.errors import reporting_os_error
from pyg_sitenet.prediction import column_name
from pyg_sitenet.report import page_tables, plots
from pyg_sitenet.report.attention_plots import (
    attention_by_distance,
    attention_histograms,
)
from pyg_sitenet.report.sections import ReportContent

Figures = list[tuple[str, str, go.Figure]]


def write_report(path: str | Path, content: ReportContent) -> None:
    """Write a report as one HTML file.

    Raises:
        DataError: If the file cannot be written.
    """
    with reporting_os_error(path, "choose another folder"):
        write_text(Path(path), render(content))


def render(content: ReportContent) -> str:
    """Return the page of a report.

    Every text from users' files is escaped, and the page's policy lets the browser run
    the two scripts in it and nothing else, and load nothing.
    """
    figures = list(_figures(content))
    css, scripts = _read("report.css"), [get_plotlyjs(), _read("report.js")]
    style = Markup(css)  # nosec B704  # of this package
    trusted = [Markup(script) for script in scripts]  # nosec B704  # of packages
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    return environment.from_string(_read("report.html.jinja")).render(
        content=content,
        style=style,
        scripts=trusted,
        policy=_policy(scripts),
        facts=page_tables.facts(content),
        settings=page_tables.settings(content),
        metric_rows=page_tables.metric_rows(content),
        worst=page_tables.worst(content),
        reasons=page_tables.reasons(content),
        failures=content.failures[: page_tables.MAX_FAILURES],
        captions=[(title, caption) for title, caption, _ in figures],
        figure_data=_json([json.loads(figure.to_json()) for *_, figure in figures]),
        view_data=_json([view.as_json() for view in content.views]),
    )


def _figures(content: ReportContent) -> Iterator[tuple[str, str, go.Figure]]:
    description, crystals = content.description, content.crystals
    if content.history:
        for target in description.targets:
            heading = column_name(target, description.units)
            figure = plots.learning_curve(
                content.history, heading, target, content.best_epoch
            )
            yield f"Learning curve of {target}", "Error of every epoch.", figure
    shown = _shown(crystals)
    for heading in content.target_columns:
        yield f"Parity of {heading}", shown, plots.parity(crystals, heading)
        text = (
            "Predicted less known. Squares: mean size of the error in groups of about "
            f"equally many crystals, with its standard error. {shown}"
        )
        yield f"Error of {heading}", text, plots.errors(crystals, heading)
        text = "Mean absolute error of the crystals that hold an element; the worst."
        figure = plots.errors_of_elements(crystals, heading)
        yield f"Error of {heading} by element", text, figure
    yield from _attention_figures(content)


def _attention_figures(content: ReportContent) -> Iterator[tuple[str, str, go.Figure]]:
    crystals, model = content.crystals, content.description.config.model
    share = "Share of the pairs at each distance that have an attention weight"
    yield (
        "Attention against distance",
        f"{share}; an atom with itself is left out.",
        attention_histograms(content.attention, with_self=False),
    )
    yield (
        "Attention against distance, self pairs included",
        f"{share}; an atom with itself is at 0.",
        attention_histograms(content.attention, with_self=True),
    )
    yield (
        "Mean attention",
        "Of two atoms at a distance; dashes tell blocks apart.",
        attention_by_distance(content.distances),
    )
    for measure in MEASURES:
        yield (
            f"Long-range coefficient against {measure.rpartition(' [')[0]}",
            "Largest distance times attention of a head in a crystal, and their sum "
            f"over the heads of the last block. {_shown(crystals)}",
            plots.long_range(crystals, measure, model.blocks, model.heads),
        )


def _shown(crystals: pd.DataFrame) -> str:
    return f"{min(len(crystals), plots.MAX_POINTS)} of {len(crystals)} crystals."


def _json(value: object) -> Markup:
    """Return JSON that is safe inside a script element."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)  # nosec B704  # no sign of HTML is left


def _policy(scripts: Sequence[str]) -> str:
    digests = (hashlib.sha256(script.encode()).digest() for script in scripts)
    hashes = [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]
    # plotly compiles functions of its own, and styles what it draws.
    return (
        f"default-src 'none'; script-src {' '.join(hashes)} 'unsafe-eval'; "
        "style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; "
        "form-action 'none'"
    )


def _read(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")
