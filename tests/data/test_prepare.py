import csv
import json
import shutil

import pytest
import torch

from pyg_sitenet.config import DataConfig
from pyg_sitenet.data.dataset import CrystalDataset
from pyg_sitenet.data.graph.encoder import Encoder
from pyg_sitenet.data.graph.stream import encode_here
from pyg_sitenet.data.prepare import prepare
from pyg_sitenet.data.records import Failure
from pyg_sitenet.data.sources import open_source
from pyg_sitenet.errors import ConfigError, DataError
from pyg_sitenet.transforms import MergeEquivalent

OPTIONS = {"max_atoms": 20, "environment": "sphere"}


@pytest.fixture
def table(tmp_path):
    """Six caesium halide crystals, one unusable, with two targets."""
    path = tmp_path / "table.jsonl"
    rows = []
    for k, symbol in enumerate(["F", "Cl", "Br", "I", "Xx", "Cl"]):
        structure = {
            "lattice": [[4 + k, 0, 0], [0, 4 + k, 0], [0, 0, 4 + k]],
            "species": ["Cs", symbol],
            "frac_coords": [[0, 0, 0], [0.5, 0.5, 0.5]],
        }
        rows.append({"id": f"c{k}", "structure": structure, "gap": 5.0 - k, "n": k})
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


@pytest.fixture
def config(table):
    return DataConfig(source=str(table), targets=("n", "gap"), **OPTIONS)


@pytest.fixture
def folder(config, tmp_path):
    prepare(config, tmp_path / "prepared")
    return tmp_path / "prepared"


def _dataset(tmp_path, source, targets=("gap",), **options):
    merging = {"pre_transform": MergeEquivalent()}
    return CrystalDataset(
        tmp_path / "cache", source, targets, **(OPTIONS | merging | options)
    )


def test_prepared_crystals_are_those_of_the_source(tmp_path, table, folder):
    before = _dataset(tmp_path, table, ("gap",))
    result = _dataset(tmp_path, folder, ("gap",))
    assert [item.id for item in result] == [item.id for item in before]
    for item, other in zip(before, result, strict=True):
        for key, value in item.to_dict().items():
            same = value == other[key]
            assert same.all() if isinstance(value, torch.Tensor) else same, key
    assert torch.equal(before.y, result.y)
    assert result.num_pairs == before.num_pairs
    assert result.failures == before.failures
    assert result.ledger().counts() == before.ledger().counts()


def test_prepared_crystals_are_not_encoded_again(tmp_path, table, folder):
    table.unlink()
    assert len(_dataset(tmp_path, folder)) == 5
    assert not list((tmp_path / "cache").rglob("*.safetensors"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_atoms": 30}, "data.max_atoms = 20, not 30"),
        ({"environment": "supercell"}, "data.environment = 'sphere', not 'supercell'"),
        ({"primitive_tolerance": 0.2}, r"data\.primitive_tolerance = 0\.003, not 0\.2"),
        ({"pre_transform": None}, "data.merge = True, not False"),
        ({"pre_filter": len}, "pre_filter = None"),
    ],
)
def test_other_settings_are_refused(tmp_path, folder, options, message):
    with pytest.raises(ConfigError, match=f"prepared: was prepared with {message}"):
        _dataset(tmp_path, folder, **options)


def test_target_that_was_not_prepared_is_named(tmp_path, folder):
    with pytest.raises(DataError, match=r"no target 'mass' \(available: n, gap\)"):
        _dataset(tmp_path, folder, ("mass",))


def test_other_code_is_refused(tmp_path, folder):
    marker = folder / "prepared.json"
    values = json.loads(marker.read_text())
    values["versions"]["code"] = "older"
    marker.write_text(json.dumps(values))
    with pytest.raises(DataError, match="prepared by another version of pyg_sitenet"):
        _dataset(tmp_path, folder)


def test_other_library_is_refused_and_named(tmp_path, folder):
    marker = folder / "prepared.json"
    values = json.loads(marker.read_text())
    values["versions"]["spglib"] = "1.0"
    marker.write_text(json.dumps(values))
    with pytest.raises(DataError, match=r"with spglib 1\.0, \d.* is installed; prep"):
        _dataset(tmp_path, folder)


def test_incomplete_folder_is_refused(tmp_path, folder):
    next((folder / "graphs").glob("index-*")).unlink()
    with pytest.raises(DataError, match=r"not prepared completely; run `sitenet prep"):
        _dataset(tmp_path, folder)


def test_damaged_marker_is_named(tmp_path, folder):
    (folder / "prepared.json").write_text("{")
    with pytest.raises(DataError, match=r"prepared.json: damaged.*prepare the cryst"):
        _dataset(tmp_path, folder)


def test_encoder_takes_prepared_graphs(folder):
    encoder = Encoder(20, "sphere", pre_transform=MergeEquivalent())
    source = open_source(folder, ["gap"])
    results = list(encode_here(source.entries(), encoder))
    assert [result.id for result in results] == ["c0", "c1", "c2", "c3", "c5", "c4"]
    assert results[1].targets == {"gap": 4.0}
    assert results[1].data.formula == "CsCl"
    assert isinstance(results[-1], Failure)
    with pytest.raises(ConfigError, match=r"data\.max_atoms = 20, not 9"):
        list(encode_here(source.entries(), Encoder(9, "sphere")))


def test_failures_and_counts_are_written(folder):
    with (folder / "failures.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["id"], row["stage"]) == ("c4", "read")
    counts = json.loads((folder / "prepared.json").read_text())["counts"]
    assert (counts["read"], counts["used"], counts["failed"]) == (6, 5, 1)
    assert list(counts["failed_by_reason"].values()) == [1]


def test_preparing_again_writes_nothing_new(config, folder):
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*.safetensors")}
    prepare(config, folder)
    assert before == {p: p.stat().st_mtime_ns for p in folder.rglob("*.safetensors")}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_atoms": 9}, "data.max_atoms = 20, not 9"),
        ({"targets": ("n",)}, r"data.targets = \['n', 'gap'\], not \['n'\]"),
    ],
)
def test_folder_of_other_settings_is_not_written_to(config, folder, change, message):
    with pytest.raises(DataError, match=f"was prepared with {message}"):
        prepare(config.model_copy(update=change), folder)


def test_folder_of_other_content_is_not_written_to(config, folder, table):
    table.write_text(table.read_text().replace('"n": 2', '"n": 7'))
    with pytest.raises(DataError, match="crystals of another content"):
        prepare(config, folder)
    moved = table.rename(table.with_name("moved.jsonl"))  # which alone is no reason
    with pytest.raises(DataError, match="was prepared with crystals of another cont"):
        prepare(config.model_copy(update={"source": str(moved)}), folder)


def test_folder_with_other_files_is_not_written_to(config, tmp_path):
    with pytest.raises(DataError, match="is not empty; choose another output folder"):
        prepare(config, tmp_path)


def test_prepared_crystals_are_not_prepared_again(config, folder, tmp_path):
    again = config.model_copy(update={"source": str(folder)})
    with pytest.raises(DataError, match="is prepared already; use it as it is"):
        prepare(again, tmp_path / "again")


def test_damage_is_repaired_from_the_source(tmp_path, folder):
    (path,) = (folder / "graphs").glob("0*")
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    assert _dataset(tmp_path, folder)[0].id == "c0"
    assert path.read_bytes() == content


def test_damage_without_the_source_is_a_clear_error(tmp_path, folder, table):
    (path,) = (folder / "graphs").glob("0*")
    path.write_bytes(path.read_bytes()[:-1])
    table.unlink()
    with pytest.raises(DataError, match=r"part 0 .* damaged .* no such file"):
        list(_dataset(tmp_path, folder))


def test_folder_may_be_moved(tmp_path, folder):
    shutil.move(folder, tmp_path / "elsewhere")
    assert len(_dataset(tmp_path, tmp_path / "elsewhere")) == 5


def test_path_of_a_matbench_file_is_kept_absolute(tmp_path, monkeypatch):
    # The official count of crystals, without structures: each is a failure.
    file = tmp_path / "jdft2d.jsonl"
    file.write_text('{"structure": "", "target": 1.0}\n' * 636)
    monkeypatch.chdir(tmp_path)
    config = DataConfig(
        source="matbench_jdft2d:jdft2d.jsonl", targets=("exfoliation_en",)
    )
    with pytest.raises(DataError, match="none of 636 inputs can be used"):
        prepare(config, tmp_path / "out")
    source = json.loads((tmp_path / "out" / "prepared.json").read_text())["source"]
    assert source == f"matbench_jdft2d:{file}"


def test_nothing_usable_is_an_error(config, table, tmp_path):
    table.write_text(table.read_text().replace("Cs", "Xx"))
    with pytest.raises(DataError, match=r"none of 6 inputs can be used, see .*fail"):
        prepare(config, tmp_path / "out")


def test_orderings_of_a_disordered_crystal_are_prepared_as_one(tmp_path, mixed_salt):
    mixed_salt.to(str(tmp_path / "a.cif"))
    (tmp_path / "t.csv").write_text("file,gap\na.cif,8.0\n")
    settings = {"max_atoms": 8, "disorder": "enumerate", "orderings": 2}
    config = DataConfig(source=str(tmp_path / "t.csv"), targets=("gap",), **settings)
    _, ledger = prepare(config, tmp_path / "prepared")
    assert (ledger.used, ledger.read) == (1, 1)
    merging = MergeEquivalent()
    encoder = Encoder(8, pre_transform=merging, disorder="enumerate", orderings=2)
    made, result = (
        next(encode_here(open_source(source, ["gap"]).entries(), encoder))
        for source in (tmp_path / "t.csv", tmp_path / "prepared")
    )
    assert len(result.graphs) == 2
    assert result.ordered == made.ordered
    assert result.targets == made.targets == {"gap": 8.0}
    for graph, other in zip(result.graphs, made.graphs, strict=True):
        assert torch.equal(graph.edge_attr, other.edge_attr)
    with pytest.raises(ConfigError, match=r"data\.disorder = 'enumerate', not 'error'"):
        CrystalDataset(
            tmp_path, tmp_path / "prepared", ["gap"], max_atoms=8, pre_transform=merging
        )
