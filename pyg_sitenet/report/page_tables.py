"""The tables of the page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from pyg_sitenet.analysis.model_errors import error_column
from pyg_sitenet.data.ledger import Ledger
from pyg_sitenet.prediction import column_name
from pyg_sitenet.report.sections import ReportContent

WORST, MAX_FAILURES = 25, 200
"""Rows of the tables of worst predictions and of failures at most."""

_SCORES = {"accuracy": "accuracy", "roc_auc": "ROC-AUC", "log_loss": "log loss"}


def facts(content: ReportContent) -> list[tuple[str, str]]:
    """Return what the model is and how much data the report rests on."""
    description = content.description
    data, counts = description.config.data, description.metrics.get("num_crystals", {})
    targets = [column_name(target, description.units) for target in description.targets]
    values = {
        "Predicts": ", ".join(targets),
        "Trained on": data.source,
        "Training crystals": counts.get("train", "unknown"),
        "Parameters": description.metrics.get("num_parameters", "unknown"),
        "Each site attends to": f"{data.environment} of {data.max_atoms} atoms",
        "Crystals in this report": len(content.crystals),
        "Could not be used": len(content.failures),
        "Versions": ", ".join(f"{k} {v}" for k, v in description.versions.items()),
    }
    return [(name, str(value)) for name, value in values.items() if value != ""]


def settings(content: ReportContent) -> list[tuple[str, str]]:
    """Return every setting that the model was trained with."""
    sections = content.description.config.model_dump(mode="json")
    return [
        (f"{section}.{key}", json.dumps(value, ensure_ascii=False))
        for section, values in sections.items()
        for key, value in values.items()
    ]


def metric_rows(content: ReportContent) -> list[dict[str, str]]:
    """Return a row per target and predictor: the model here, in its test, baselines."""
    rows = []
    stored: Mapping[str, Any] = content.description.metrics.get("targets", {})
    for target_outputs in content.description.layout.targets:
        target = target_outputs.name
        rows += [
            _row(name, "Site-Net, these crystals", content.metrics)
            for name in target_outputs.outputs
            if name in content.metrics
        ]
        metrics = stored.get(target)
        if metrics is not None:
            unit = metrics.get("unit", "")
            parts = {"Site-Net, test part of training": metrics.get("test", {})}
            for name, baseline in metrics.get("baselines", {}).items():
                parts[f"baseline {name}, test part"] = baseline.get("test", {})
            rows += [
                _row(target, who, {target: {"unit": unit, **scores}})
                for who, scores in parts.items()
            ]
    return rows


def _row(target: str, who: str, metrics: Mapping[str, Any]) -> dict[str, str]:
    scores = metrics[target]
    if "log_loss" in scores:
        parts = [f"{name} {_number(scores.get(key))}" for key, name in _SCORES.items()]
        who = f"{who}: {', '.join(parts)}"
    values = {name: _number(scores.get(name)) for name in ("mae", "rmse", "r2")}
    return {"target": target, "who": who, "unit": scores.get("unit", ""), **values}


def worst(content: ReportContent) -> list[dict[str, Any]]:
    """Return a table for each known target: its heading and its worst rows."""
    views = {view.id: number for number, view in enumerate(content.views)}
    tables = []
    for heading in content.target_columns:
        size = content.crystals[error_column(heading)].abs()
        order = size.sort_values(ascending=False).dropna().index[:WORST]
        rows = [
            {
                "id": row["id"],
                "formula": row["formula"],
                "known": _number(row[heading]),
                "predicted": _number(row[f"predicted {heading}"]),
                "error": _number(row[error_column(heading)]),
                "sites": row["sites"],
                "view": views.get(str(row["id"])),
                "warnings": row["warnings"],
            }
            for _, row in content.crystals.loc[order].iterrows()
        ]
        tables.append({"heading": heading, "rows": rows})
    return tables


def reasons(content: ReportContent) -> Sequence[tuple[str, int]]:
    """Return the most frequent reasons of failures, and how frequent they are."""
    ledger = Ledger()  # puts reasons of one kind together
    for failure in content.failures:
        ledger.add(failure)
    return ledger.failed_by_reason.most_common(20)


def _number(value: Any) -> str:  # noqa: ANN401 - whatever a table holds
    return "" if value is None or pd.isna(value) else f"{value:.4g}"
