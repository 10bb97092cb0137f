"""The windows of a stream of crystals, predicted on a cluster."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from itertools import islice

import torch

from pyg_sitenet.data.graph.encoder import Item
from pyg_sitenet.data.graph.shipping import inline_files
from pyg_sitenet.data.records import Failure
from pyg_sitenet.prediction.columns import Prediction
from pyg_sitenet.prediction.joint import JointPredictor
from pyg_sitenet.prediction.predictor import Predictor
from pyg_sitenet.workers.cluster import Cluster


@dataclass(frozen=True)
class WindowWork:
    """What a cluster is to do: predict a window of a stream.

    Args:
        predictor: The model, or several.
        num_threads: On which the last digits of a prediction depend.
    """

    predictor: Predictor | JointPredictor
    num_threads: int

    def __call__(self, records: list[Item]) -> list[Prediction | Failure]:
        """Return the results of a window."""
        torch.set_num_threads(self.num_threads)
        # Encoded in a process of its own, which a crystal may take along.
        return list(self.predictor.predict_records(records, workers=1))


def predict_windows(
    cluster: Cluster,
    predictor: Predictor | JointPredictor,
    records: Iterable[Item],
) -> Iterator[Prediction | Failure]:
    """Predict a stream on a cluster, in its order.

    A window of the predictor is a block of the cluster: what is in a batch, and by how
    many threads it is computed, is as it is here, and so are the digits.

    Args:
        cluster: Where to predict.
        predictor: The model, or several.
        records: What a source yields.

    Raises:
        ClusterError: If the cluster cannot do the work.
    """
    items = (inline_files(record, predictor.encoder) for record in records)
    windows = iter(lambda: list(islice(items, predictor.window)), [])
    work = WindowWork(on_cpu(predictor), torch.get_num_threads())
    for results in cluster.map(work, windows):
        yield from results


def on_cpu(predictor: Predictor | JointPredictor) -> Predictor | JointPredictor:
    """Return what other machines can open: they may have no GPU."""
    if isinstance(predictor, JointPredictor):
        parts = predictor.predictors.items()
        return JointPredictor({name: _single_on_cpu(part) for name, part in parts})
    return _single_on_cpu(predictor)


def _single_on_cpu(predictor: Predictor) -> Predictor:
    if predictor.device.type == "cpu":
        return predictor
    model, data = deepcopy(predictor.model), predictor.data
    return Predictor(model, predictor.description, "cpu", data, predictor.level)


def predict_stream(
    predictor: Predictor | JointPredictor,
    records: Iterable[Item],
    workers: int,
    cluster: Cluster | None,
) -> Generator[Prediction | Failure, None, None]:
    """Predict a stream here, or on a cluster if there is one."""
    if cluster is None:
        yield from predictor.predict_records(records, workers=workers)
    else:
        yield from predict_windows(cluster, predictor, records)
