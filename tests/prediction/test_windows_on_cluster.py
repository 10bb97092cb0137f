import pickle
from copy import copy

import pytest
import torch

from pyg_sitenet.data.sources import open_source
from pyg_sitenet.prediction import Predictor
from pyg_sitenet.prediction.joint import JointPredictor
from pyg_sitenet.prediction.windows_on_cluster import on_cpu, predict_windows
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


def test_predictors_leave_for_a_cluster_without_their_gpu(small_predictor: Predictor):
    assert on_cpu(small_predictor) is small_predictor
    elsewhere = copy(small_predictor)
    elsewhere.device = torch.device("cuda")
    shipped = on_cpu(JointPredictor({"gap": elsewhere})).predictors["gap"]
    assert shipped.device == torch.device("cpu")
    assert shipped.model is not elsewhere.model
    assert shipped.fingerprint() == small_predictor.fingerprint()


def test_windows_are_predicted_as_they_are_here(
    small_predictor: Predictor, make_table, threads: int
):
    source = open_source([make_table(40)])
    here = list(small_predictor.predict_records(source.entries(), workers=1))
    cluster = Elsewhere()
    cluster.sizes = []
    windows = list(predict_windows(cluster, small_predictor, source.entries()))
    assert windows == here
    assert cluster.sizes == [16, 16, 8]
    # Sums are rounded by the number of threads that they are divided among.
    assert torch.get_num_threads() == threads
