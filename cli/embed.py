"""``sitenet embed``: vectors of crystals and sites for other models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .counts import end, report, tell_notes
from .loading import loading
from .options import Crystals, Device, Json, Model, Strict, Workers
from .terminal import chosen_device, counted, say, say_json

Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="FILE.npz", help="File to write.")
]


def embed(
    model: Model,
    data: Crystals,
    output: Output,
    workers: Workers = None,
    strict: Strict = False,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    r"""Write the model's vectors of crystals and of their sites.

    numpy.load reads the file: crystals \[B, C], sites \[n, K], crystal_of_site, z,
    predictions, targets, id and formula. Nothing in it is pickled.

    Example: sitenet embed runs/gap my_structures/ --output vectors.npz
    """
    with loading():
        from pyg_sitenet.analysis.vector_file import write_embeddings
        from pyg_sitenet.data.failures_file import failures_file, write_failures
        from pyg_sitenet.data.sources import open_source
        from pyg_sitenet.file_locks import check_not_input
        from pyg_sitenet.prediction import load_predictor

    check_not_input(output, [data])
    predictor, source = load_predictor(model, chosen_device(device)), open_source(data)
    tell_notes(source)
    entries = counted(source.entries(), "Embedding", source.count)
    vectors = write_embeddings(predictor, entries, output, workers=workers or 0)
    failed, ledger = failures_file(output), vectors.ledger
    write_failures(failed, vectors.failures)
    report(ledger, "embedded", failed)
    if as_json:
        facts = {"output": str(output), "sites": vectors.sites}
        counts = {"crystals": vectors.crystals, "failed": ledger.failed}
        say_json(facts | counts | {"counts": ledger.counts()})
    else:
        crystals = (
            "1 crystal" if vectors.crystals == 1 else f"{vectors.crystals} crystals"
        )
        say(f"{crystals} with {vectors.sites} sites: {output}")
    end(ledger, strict=strict)
