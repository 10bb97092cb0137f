import pickle
import socket
import sys

import pytest

from pyg_sitenet.errors import ClusterError
from pyg_sitenet.workers.cluster import _check_row, _make_task, open_cluster
from pyg_sitenet.workers.cluster_worker import answer_block, versions
from pyg_sitenet.workers.pool_worker import open_answer


def _get(place):
    return pickle.dumps(place)


def _answer(wanted):
    block = pickle.dumps([1, 2])
    return open_answer(answer_block(_get, sum, block, wanted, "node7"))


def test_block_is_answered_by_a_process_of_the_same_versions():
    assert _answer(versions()) == 3


@pytest.mark.parametrize("name", ["pyg-sitenet", "torch"])
def test_other_version_is_named_with_the_machine(name):
    wanted = versions() | {name: "9.9"}
    with pytest.raises(
        ClusterError, match=rf"machine node7 has {name} .*, this one 9.9; install the"
    ):
        _answer(wanted)


def test_version_tells_the_code():
    assert "(code " in versions()["pyg-sitenet"]


def test_machine_without_the_package_is_named(monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setitem(sys.modules, "pyg_sitenet.workers.cluster_worker", None)
    found = _make_task(None, {})({"block": [b"", b""]})
    rows = [{key: values[k] for key, values in found.items()} for k in range(2)]
    for row in rows:
        with pytest.raises(
            ClusterError,
            match=rf"{socket.gethostname()} cannot import pyg_sitenet: .*"
            "install it there in the same version",
        ):
            _check_row(row)


def test_no_address_is_no_cluster():
    with open_cluster(None) as cluster:
        assert cluster is None


def test_ray_that_is_not_installed_is_a_clear_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(
            ClusterError, match=r"needs Ray.*pip install 'pyg-sitenet\[ray\]"
        ),
        open_cluster("auto"),
    ):
        pass


@pytest.mark.parametrize("address", ["cluster", "ray://head:10001", "head:port"])
def test_address_of_another_form_is_refused(address):
    pytest.importorskip("ray")
    with (
        pytest.raises(ClusterError, match=f"auto, local or HOST:PORT, got '{address}'"),
        open_cluster(address),
    ):
        pass


@pytest.mark.parametrize("by_name", [True, False])
def test_address_where_nothing_listens_is_named_at_once(monkeypatch, by_name):
    pytest.importorskip("ray")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        monkeypatch.setenv("RAY_ADDRESS", address)  # what auto means to Ray
        with (
            pytest.raises(
                ClusterError,
                match=rf"no Ray cluster answers at '{address}'.*`ray start --head`",
            ),
            open_cluster(address if by_name else "auto"),
        ):
            pass
