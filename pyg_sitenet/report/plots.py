"""The interactive figures of a report that show errors; each returns a plotly figure.

Series differ by marker or dash as well as by colour. Text from users' files is escaped:
plotly reads a part of HTML in every text it draws.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from pyg_sitenet.analysis.long_range import LONG_RANGE, head_column, long_range_fits
from pyg_sitenet.analysis.model_errors import (
    COMPLEXITY,
    SIZE,
    error_column,
    errors_by_element,
    errors_by_measure,
)
from pyg_sitenet.figures.panels import BLUE, GREY, VERMILION

MAX_POINTS = 5_000
"""Crystals drawn at most: more would make the page slow."""

_MAX_ELEMENTS = 30


def learning_curve(
    history: Sequence[Mapping[str, float]], heading: str, target: str, best: int | None
) -> go.Figure:
    """Draw the error of every epoch of training and validation."""
    has_classes = any(f"train/nll/{target}" in row for row in history)
    error, words = ("nll", "log loss") if has_classes else ("mae", "MAE")
    figure = make_figure("epoch", f"{words} of {heading}")
    styles = {
        "train": (VERMILION, "dash", "training"),
        "val": (BLUE, "solid", "validation"),
    }
    for stage, (color, dash, name) in styles.items():
        key = f"{stage}/{error}/{target}"
        points = [(row["epoch"], row[key]) for row in history if key in row]
        if points:
            x, y = zip(*points, strict=True)
            line = {"color": color, "dash": dash}
            mode = "lines+markers" if len(x) == 1 else "lines"
            figure.add_scatter(x=x, y=y, name=name, mode=mode, line=line)
    if best is not None:
        figure.add_vline(best, line={"color": GREY, "width": 1}, annotation_text="kept")
    figure.update_yaxes(rangemode="tozero")
    return figure


def parity(crystals: pd.DataFrame, heading: str) -> go.Figure:
    """Draw predicted against known values."""
    some = sample(crystals.dropna(subset=error_column(heading)))
    truth, predicted = some[heading], some[f"predicted {heading}"]
    figure = make_figure(heading, f"predicted {heading}")
    ends = [min(truth.min(), predicted.min()), max(truth.max(), predicted.max())]
    figure.add_scatter(
        x=ends, y=ends, mode="lines", name="equal", hoverinfo="skip",
        line={"color": GREY, "dash": "dash"},
    )  # fmt: skip
    add_crystals(figure, some, truth, predicted)
    return figure


def errors(crystals: pd.DataFrame, heading: str) -> go.Figure:
    """Draw the error, and its mean in groups, against a measure chosen from a menu."""
    some = sample(crystals.dropna(subset=error_column(heading)))
    figure = make_figure(heading, f"error of {heading}")
    measures = [heading, SIZE, COMPLEXITY]
    groups = errors_by_measure(
        crystals, heading, {measure: measure for measure in measures}
    )
    for measure in measures:
        add_crystals(figure, some, some[measure], some[error_column(heading)])
        _add_groups(figure, groups[groups["measure"] == measure])
        for trace in figure.data[-2:]:
            trace.visible = measure == heading
    figure.add_hline(0, line={"color": GREY, "dash": "dash"})
    shown = np.repeat(np.eye(len(measures), dtype=bool), 2, axis=1).tolist()
    changes = [
        ({"visible": row}, {"xaxis.title.text": escape(measure)})
        for measure, row in zip(measures, shown, strict=True)
    ]
    add_menu(figure, measures, changes)
    return figure


def errors_of_elements(crystals: pd.DataFrame, heading: str) -> go.Figure:
    """Draw the mean absolute error of the worst elements."""
    table = errors_by_element(crystals, heading)
    table = table[table["crystals"] > 1].head(_MAX_ELEMENTS)
    figure = make_figure("element", f"MAE of {heading}")
    figure.add_bar(
        x=table["element"],
        y=table["mae"],
        marker={"color": BLUE},
        error_y={"array": table["standard error"], "color": GREY},
        hovertext=[f"{n} crystals" for n in table["crystals"]],
        name="MAE",
    )
    return figure


def long_range(
    crystals: pd.DataFrame, measure: str, blocks: int, heads: int
) -> go.Figure:
    """Draw the long-range coefficient, or a head's part of it, against a measure."""
    some, fits = sample(crystals), long_range_fits(crystals, blocks, heads)
    fits = fits[fits["measure"] == measure]
    ends = np.array([some[measure].min(), some[measure].max()])
    labels, changes = [], []
    for _, fit in fits.iterrows():
        block, head, label, column = fit["block"], fit["head"], "sum", LONG_RANGE
        if head != "all":
            label = f"block {block}, head {head}"
            column = head_column(int(block), int(head))
        line = (fit["slope"] * ends + fit["intercept"]).tolist()
        y = {"y": [some[column].round(4).tolist(), line]}
        labels.append(label)
        changes.append((y, {"annotations[0].text": _correlation(fit)}))
    first, text = changes[0]
    figure = make_figure(measure.replace("[A]", "[Å]"), "long-range coefficient [Å]")
    add_crystals(figure, some, some[measure], some[LONG_RANGE])
    figure.add_scatter(
        x=ends, y=first["y"][1], mode="lines", name="fit", line={"color": VERMILION}
    )
    figure.add_annotation(
        text=text["annotations[0].text"], showarrow=False, xref="paper",
        yref="paper", x=1, y=1, xanchor="right", yanchor="top",
        bgcolor="rgba(255, 255, 255, 0.7)",
    )  # fmt: skip
    add_menu(figure, labels, changes)
    return figure


def make_figure(x: str, y: str) -> go.Figure:
    """Return an empty figure with named axes, in the style of the page."""
    figure = go.Figure()
    figure.update_layout(
        template="simple_white",
        height=420,
        margin={"l": 56, "r": 12, "t": 48, "b": 52},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        xaxis_title=escape(x),
        yaxis_title=escape(y),
        hovermode="closest",
    )
    return figure


def sample(crystals: pd.DataFrame) -> pd.DataFrame:
    """Return all crystals, or :data:`MAX_POINTS` at random, always the same ones."""
    if len(crystals) <= MAX_POINTS:
        return crystals
    return crystals.sample(MAX_POINTS, random_state=0)


def add_crystals(
    figure: go.Figure, crystals: pd.DataFrame, x: pd.Series, y: pd.Series
) -> None:
    """Add a point per crystal that tells its id and formula."""
    pairs = zip(crystals["id"], crystals["formula"], strict=True)
    figure.add_scatter(
        x=x,
        y=y,
        mode="markers",
        marker={"color": BLUE, "opacity": 0.6, "size": 6},
        hovertext=[f"{escape(str(i))}, {escape(str(f))}" for i, f in pairs],
        name="crystals",
    )


def add_menu(
    figure: go.Figure,
    labels: Iterable[str],
    changes: Iterable[tuple[Mapping[str, Any], Mapping[str, str]]],
) -> None:
    """Add a menu; what it chooses changes properties of the traces and the layout."""
    buttons = [
        {"label": escape(label), "method": "update", "args": change}
        for label, change in zip(labels, changes, strict=True)
    ]
    menu = {"buttons": buttons, "x": 0, "xanchor": "left", "y": 1.14, "yanchor": "top"}
    figure.update_layout(updatemenus=[menu], showlegend=False)


def _add_groups(figure: go.Figure, groups: pd.DataFrame) -> None:
    rows = zip(groups["crystals"], groups["bias"], strict=True)
    figure.add_scatter(
        x=groups["middle"],
        y=groups["mae"],
        mode="lines+markers",
        marker={"color": VERMILION, "symbol": "square", "size": 8},
        error_y={"array": groups["standard error"], "color": VERMILION},
        hovertext=[f"{n} crystals, mean error {bias:.3g}" for n, bias in rows],
        name="MAE",
    )


def _correlation(fit: pd.Series) -> str:
    if np.isnan(fit["slope"]):
        return "too few crystals<br>for a line"
    return f"r = {fit['pearson r']:.2f}<br>Spearman {fit['spearman rho']:.2f}"
