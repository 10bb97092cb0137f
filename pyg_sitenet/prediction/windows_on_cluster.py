"""The windows of a stream of crystals, predicted on a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import torch

from pyg_sitenet.data.cluster import Cluster
from pyg_sitenet.data.encoder import Encoder, Item
from pyg_sitenet.data.records import Failure
from pyg_sitenet.data.shipping import ship
from pyg_sitenet.prediction.rows import Prediction

if TYPE_CHECKING:
    from pyg_sitenet.prediction.predictor import Predictor


@dataclass(frozen=True)
class WindowWork:
    """What a cluster is to do: predict a window of a stream.

    Args:
        predictor: The model.
        num_threads: On which the last digits of a prediction depend.
    """

    predictor: Predictor
    num_threads: int

    def __call__(self, records: list[Item]) -> list[Prediction | Failure]:
        """Return the results of a window."""
        torch.set_num_threads(self.num_threads)
        # Encoded in a process of its own, which a crystal may take along.
        return list(self.predictor.predict_records(records, workers=1))


def predict_windows(
    cluster: Cluster,
    predictor: Predictor,
    encoder: Encoder,
    records: Iterable[Item],
) -> Iterator[Prediction | Failure]:
    """Predict a stream on a cluster, in its order.

    A window of the predictor is a block of the cluster: what is in a batch, and by how
    many threads it is computed, is as it is here, and so are the digits.

    Args:
        cluster: Where to predict.
        predictor: The model.
        encoder: What it makes graphs with.
        records: What a source yields.

    Raises:
        ClusterError: If the cluster cannot do the work.
    """
    items = (ship(record, encoder) for record in records)
    windows = iter(lambda: list(islice(items, predictor.window)), [])
    work = WindowWork(predictor, torch.get_num_threads())
    for results in cluster.map(work, windows):
        yield from results
