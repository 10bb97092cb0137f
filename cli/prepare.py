"""``sitenet prepare``: crystals in, a folder of encoded crystals out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .counts import end, report
from .options import (
    ConfigFile,
    Crystals,
    Json,
    Preset,
    Ray,
    Settings,
    Strict,
    Targets,
    Workers,
)
from .overrides import choose_settings
from .terminal import say, say_json

Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="DIR", help="The folder to write.")
]


def prepare(
    data: Crystals,
    output: Output,
    target: Targets = None,
    preset: Preset = None,
    config: ConfigFile = None,
    settings: Settings = None,
    workers: Workers = None,
    ray: Ray = None,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Encode crystals once, as DATA for train, predict, evaluate and analyze.

    An input that cannot be used is listed in the folder's failures.csv, and the others
    are encoded. Run again, the command goes on where it was interrupted. With --ray a
    cluster encodes, and the folder is written here.

    Example: sitenet prepare my_crystals/ --target band_gap --output prepared/
    """
    from pyg_sitenet.data.prepare import prepare as prepare_data
    from pyg_sitenet.data.sources import open_source
    from pyg_sitenet.workers.cluster import open_cluster

    numbers = {"data.workers": workers}
    chosen = choose_settings(preset, config, data, target, settings, numbers)
    # Crystals without known values are for prediction.
    source = open_source(data) if not target else None
    empty = source is not None and not (source.available or source.labels)
    none = () if empty else None
    with open_cluster(ray, workers or 0) as cluster:
        prepared, ledger = prepare_data(
            chosen.data, output, targets=none, progress=not as_json, cluster=cluster
        )
    report(ledger, "used", prepared.failures)
    if as_json:
        files = {"folder": str(output), "failures_file": str(prepared.failures)}
        say_json(files | ledger.counts())
    else:
        say(f"Prepared: {output}   Failures: {prepared.failures}")
    end(ledger, strict=strict)
