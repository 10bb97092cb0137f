"""``sitenet embed``: vectors of crystals and sites for other models."""

from __future__ import annotations

import json
from dataclasses import astuple
from pathlib import Path
from typing import Annotated

import typer

from .options import Data, Json, Model
from .tables import FAILURE_HEADINGS, Reasons, counted, failures_file, rows_file

Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="FILE.npz", help="File to write.")
]
Workers = Annotated[
    int, typer.Option("--workers", min=0, help="Processes; 0: one per core.")
]


def embed(
    model: Model,
    data: Data,
    output: Output,
    workers: Workers = 0,
    as_json: Json = False,
) -> None:
    """Write the model's vectors of crystals and of their sites.

    numpy.load reads the file: crystals [B, C], sites [n, K], crystal_of_site, z,
    predictions, targets, id and formula. Nothing in it is pickled.

    Example: sitenet embed runs/gap my_structures/ --output vectors.npz
    """
    from pyg_sitenet.analysis.embedding import write_embeddings
    from pyg_sitenet.data.sources import open_source
    from pyg_sitenet.prediction import load_predictor

    predictor, source = load_predictor(model), open_source(data)
    entries = counted(source.entries(), "Embedding", source.count)
    found = write_embeddings(predictor, entries, output, workers=workers)
    failed = failures_file(output)
    with rows_file(failed, FAILURE_HEADINGS) as add:
        for failure in found.failures:
            add(astuple(failure))
    counts = {"crystals": found.crystals, "failed": len(found.failures)}
    typer.echo(f"{found.crystals} embedded, {counts['failed']} failed", err=True)
    Reasons((one.origin, one.reason) for one in found.failures).report(failed)
    if as_json:
        facts = {"output": str(output), "sites": found.sites} | counts
        typer.echo(json.dumps(facts))
    else:
        typer.echo(f"{found.crystals} crystals with {found.sites} sites: {output}")
