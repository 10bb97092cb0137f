"""Work on a Ray cluster of two processes on this machine."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pymatgen.core import Structure
from typer.testing import CliRunner

from pyg_sitenet.cli.main import app
from pyg_sitenet.config import Config, DataConfig, ModelConfig
from pyg_sitenet.data.failures_file import failures_file
from pyg_sitenet.data.graph.encoder import Encoder
from pyg_sitenet.data.prepare import prepare
from pyg_sitenet.data.records import Failure
from pyg_sitenet.data.sources import open_source
from pyg_sitenet.data.store.reader import Store, read_index
from pyg_sitenet.data.store.writer import Builder
from pyg_sitenet.errors import ClusterError, ConfigError
from pyg_sitenet.model_file import ModelDescription, save_model
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.prediction import Prediction, Predictor, predict_to_file
from pyg_sitenet.prediction.file.result_files import run_file
from pyg_sitenet.workers.cluster import Cluster, open_cluster

ray = pytest.importorskip("ray", reason="Ray is an extra and not installed")

# Ray leaves sockets and files of its own open, and forks with threads.
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"
)

SIZE = 16
Results = Iterator[Prediction | Failure]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Two processes; Ray would give them the machine's idle time alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_worker_niceness", "0")
        patch.setattr("pyg_sitenet.data.store.writer.SHARD_SIZE", SIZE)
        patch.setattr(Predictor, "window", SIZE)
        with open_cluster("local", 2) as cluster:
            assert cluster is not None
            yield cluster


@pytest.fixture
def crystals(tmp_path: Path) -> Path:
    """A folder of 72 files, every 20th of which is torn."""
    folder = tmp_path / "crystals"
    folder.mkdir()
    for number in range(4 * SIZE + 8):
        edge = 3.5 + number / 32
        species = [["Na", "Li", "K"][number % 3], ["Cl", "Br"][number % 2]]
        lattice = [[edge, 0, 0], [0, edge, 0], [0, 0, edge]]
        structure = Structure(lattice, species, [[0, 0, 0], [0.5, 0.5, 0.5]])
        text = structure.to(fmt="cif")
        torn = number % 20 == 7
        (folder / f"c{number:02d}.cif").write_text(text[:200] if torn else text)
    return folder


@pytest.fixture
def config(crystals: Path) -> DataConfig:
    return DataConfig(source=str(crystals), max_atoms=8, workers=1)


@pytest.fixture
def predictor(cluster: Cluster) -> Predictor:
    del cluster  # with which windows are small
    config = Config(
        data=DataConfig(max_atoms=8, environment="sphere", max_sites=10),
        model=ModelConfig(heads=2, attention_hidden=(8,), blocks=1),
    )
    elements = (3, 11, 17, 35)
    description = ModelDescription(
        config=config, targets=("gap",), units={"gap": "eV"}, elements=elements
    )
    return Predictor(SiteNet(config.model), description)


def _content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def _written(output: Path) -> list[bytes]:
    return [file(output).read_bytes() for file in (Path, failures_file, run_file)]


class _Deadly(Cluster):
    """A cluster that once loses a process in the middle of a block."""

    def __init__(self, folder: Path) -> None:
        super().__init__(2)
        self.victim = folder / "victim"

    def map(self, function, blocks):
        victim = self.victim

        def compute(block):
            if len(block) == SIZE:
                with contextlib.suppress(FileExistsError):
                    victim.touch(exist_ok=False)
                    os.kill(os.getpid(), signal.SIGKILL)
            return function(block)

        return super().map(compute, blocks)


def _watch(act: Callable[[], object], after: int) -> Callable[[Results, int], Results]:
    """Act once after so many results."""

    def watch(results: Results, done: int) -> Results:
        for number, result in enumerate(results, done + 1):
            yield result
            if number == after:
                act()

    return watch


@pytest.mark.usefixtures("cluster")
def test_answers_come_in_order_and_few_blocks_are_held():
    begun = []

    def blocks() -> Iterator[list[int]]:
        for number in itertools.count():
            begun.append(number)
            yield [number, 1]

    answers = Cluster(1).map(sum, blocks())
    assert list(itertools.islice(answers, 20)) == list(range(1, 21))
    assert len(begun) <= 30
    answers.close()


@pytest.mark.usefixtures("cluster")
def test_slow_block_keeps_its_place_while_others_are_computed(tmp_path: Path):
    def work(block: list[int]) -> int:
        (number,) = block
        (tmp_path / str(number)).touch()
        while number == 0 and len(list(tmp_path.iterdir())) < 5:
            time.sleep(0.02)
        return number

    assert list(Cluster(2).map(work, ([number] for number in range(6)))) == [*range(6)]


def test_block_that_kills_every_process_is_an_error(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("pyg_sitenet.workers.cluster._RETRIES", 1)

    def die(block: list[int]) -> None:
        os._exit(len(block))

    with pytest.raises(ClusterError, match=r"lost its processes again .* without it"):
        list(cluster.map(die, [[1]]))


def test_abandoned_blocks_are_cancelled(cluster: Cluster):
    def work(block: list[int]) -> None:
        if block != [0]:
            time.sleep(600)

    answers = cluster.map(work, ([number] for number in range(20)))
    next(answers)
    answers.close()
    assert list(cluster.map(len, [[1, 2]])) == [2]  # a core is free again


def test_error_of_the_work_is_raised_here(cluster: Cluster, config: DataConfig):
    items = list(open_source(config.source).entries())
    with pytest.raises(
        ConfigError, match="`max_atoms` must be a whole number above 0, got 0"
    ):
        Builder(
            Path(config.source).with_name("set"),
            lambda: iter(items),
            Encoder(max_atoms=0),
            cluster=cluster,
        ).build()


def test_prepared_folder_is_the_same_to_the_byte_although_a_worker_is_killed(
    cluster: Cluster, config: DataConfig, tmp_path: Path
):
    del cluster  # it is there
    prepare(config, tmp_path / "here", targets=())
    deadly = _Deadly(tmp_path)
    _, ledger = prepare(config, tmp_path / "there", targets=(), cluster=deadly)
    assert deadly.victim.exists()
    assert (ledger.used, ledger.failed) == (68, 4)
    assert _content(tmp_path / "here") == _content(tmp_path / "there")


def test_predictions_are_the_same_to_the_byte_although_a_worker_is_killed(
    predictor: Predictor, crystals: Path, tmp_path: Path
):
    source = open_source([crystals])
    here, there = tmp_path / "here.csv", tmp_path / "there.csv"
    predict_to_file(predictor, source, here, workers=1)
    deadly = _Deadly(tmp_path)
    ledger = predict_to_file(predictor, source, there, cluster=deadly)
    assert deadly.victim.exists()
    assert (ledger.used, ledger.failed) == (68, 4)
    assert _written(here) == _written(there)


def test_stopped_prediction_goes_on_with_or_without_the_cluster(
    cluster: Cluster, predictor: Predictor, crystals: Path, tmp_path: Path
):
    source = open_source([crystals])
    here, there = tmp_path / "here.csv", tmp_path / "there.csv"
    predict_to_file(predictor, source, here, workers=1)

    def stop() -> None:
        raise InterruptedError

    for after, chosen in ((SIZE + 3, cluster), (2 * SIZE + 5, None)):
        with pytest.raises(InterruptedError):
            predict_to_file(
                predictor,
                source,
                there,
                resume=True,
                cluster=chosen,
                workers=1,
                watch=_watch(stop, after),
            )
    predict_to_file(predictor, source, there, resume=True, cluster=cluster)
    assert _written(here) == _written(there)


def test_crystal_that_kills_its_process_costs_itself_alone(
    cluster: Cluster, crystals: Path, tmp_path: Path
):
    def die(data):
        if data.id == "c09":
            os.kill(os.getpid(), signal.SIGKILL)
        return data

    source = open_source(crystals)
    encoder = Encoder(8, pre_transform=die)
    here = Builder(tmp_path / "here", source.entries, encoder, workers=1)
    there = Builder(tmp_path / "there", source.entries, encoder, cluster=cluster)
    here.build()
    there.build()
    assert _content(tmp_path / "here") == _content(tmp_path / "there")
    index = read_index(tmp_path / "there")
    assert index is not None
    store = Store(tmp_path / "there", index, repair=lambda _: "")
    (reason,) = [row.reason for row in store.failures() if row.id == "c09"]
    assert "was ended by SIGKILL, perhaps for lack of memory, twice" in reason


def test_commands_compute_on_the_cluster(
    predictor: Predictor, crystals: Path, tmp_path: Path
):
    model = tmp_path / "model.safetensors"
    save_model(model, predictor.model, predictor.description)
    options = ["--set", "data.max_atoms=8", "--ray", "auto", "--json"]
    words = ["prepare", str(crystals), "--output", str(tmp_path / "set"), *options]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    outputs = []
    for more in ([], ["--ray", "auto"]):
        outputs.append(tmp_path / f"{len(more)}.csv")
        words = ["predict", str(model), str(crystals), "--output", str(outputs[-1])]
        done = CliRunner().invoke(app, words + more)
        assert done.exit_code == 0, done.output
        assert "72 read: 68 predicted, 4 failed" in done.stderr
    assert _written(outputs[0]) == _written(outputs[1])
