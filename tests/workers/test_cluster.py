import pickle
import socket
import sys

import pytest

from pyg_sitenet.errors import ClusterError
from pyg_sitenet.workers.cluster import _make_task, _open, open_cluster
from pyg_sitenet.workers.cluster_worker import answer_block, versions
from pyg_sitenet.workers.pool_worker import open_answer


def _answer(expected):
    function, block = pickle.dumps(sum), pickle.dumps([1, 2])
    return open_answer(answer_block(function, block, expected, "node7"))


def test_block_is_answered_by_a_process_of_the_same_versions():
    assert _answer(versions()) == 3


@pytest.mark.parametrize("name", ["pyg-sitenet", "torch"])
def test_other_version_is_named_with_the_machine(name):
    expected = versions() | {name: "9.9"}
    with pytest.raises(
        ClusterError, match=rf"machine node7 has {name} .*, this one 9.9; install the"
    ):
        _answer(expected)


def test_version_tells_the_code():
    assert "(code " in versions()["pyg-sitenet"]


def test_machine_without_the_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyg_sitenet.workers.cluster_worker", None)
    answer = _make_task({})(b"", b"")
    with pytest.raises(
        ClusterError,
        match=rf"{socket.gethostname()} cannot import pyg_sitenet: .*"
        "install it there in the same version",
    ):
        _open(*answer)


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
