import pickle

import pytest
import torch

from pyg_sitenet.data.sources import open_source
from pyg_sitenet.prediction import Predictor
from pyg_sitenet.prediction.windows_on_cluster import predict_windows
from pyg_sitenet.workers.cluster import Cluster


class Elsewhere(Cluster):
    """Computes as a process with one thread does, which has copies of all."""

    def map(self, function, blocks):
        for block in blocks:
            torch.set_num_threads(1)
            copy, items = pickle.loads(pickle.dumps((function, list(block))))
            self.sizes.append(len(items))
            yield copy(items)


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield 3
    torch.set_num_threads(before)


def test_windows_are_predicted_as_they_are_here(
    small_predictor: Predictor, make_table, threads: int
):
    source = open_source([make_table(40)])
    here = list(small_predictor.predict_records(source.entries(), workers=1))
    cluster = Elsewhere()
    cluster.sizes = []
    found = list(predict_windows(cluster, small_predictor, source.entries()))
    assert found == here
    assert cluster.sizes == [16, 16, 8]
    # Sums are rounded by the number of threads that they are divided among.
    assert torch.get_num_threads() == threads
