import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from pymatgen.core import Lattice, Structure
from torch_geometric import EdgeIndex, Index
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader
from torch_geometric.transforms import AddSelfLoops

from pyg_sitenet.config import DataConfig
from pyg_sitenet.data.dataset import CrystalDataset
from pyg_sitenet.data.graph.encode import encode_structure
from pyg_sitenet.data.sources import open_source
from pyg_sitenet.errors import ConfigError, DataError


@pytest.fixture
def table(tmp_path):
    """Six caesium halide crystals, two of them unusable, with two targets."""
    path = tmp_path / "table.jsonl"
    rows = []
    for k, symbol in enumerate(["F", "Cl", "Br", "I", "At", "Cl"]):
        structure = {
            "lattice": [[4 + k, 0, 0], [0, 4 + k, 0], [0, 0, 4 + k]],
            "species": ["Cs", symbol],
            "frac_coords": [[0, 0, 0], [0.5, 0.5, 0.5]],
        }
        rows.append({"id": f"c{k}", "structure": structure, "gap": 5.0 - k, "n": k})
    rows[1]["gap"] = None
    rows[4]["structure"]["species"] = ["Cs", "Xx"]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def _files(root):
    return sorted(path.name for path in (root / "processed").iterdir())


def test_graphs_are_those_of_encode_structure(tmp_path, table):
    dataset = CrystalDataset(tmp_path, table, ["n", "gap"], max_atoms=30)
    assert [data.id for data in dataset] == ["c0", "c1", "c2", "c3", "c5"]
    structure = Structure(Lattice.cubic(6), ["Cs", "Br"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    expected = encode_structure(structure, max_atoms=30)
    for key in expected.keys():  # noqa: SIM118
        assert torch.equal(dataset[2][key], expected[key]), key
    assert dataset[2].y.tolist() == [[2.0, 3.0]]
    assert dataset[2].y.dtype == torch.float64
    assert dataset[2].formula == "CsBr"
    assert dataset.targets == ("n", "gap")


def test_crystal_with_one_of_its_targets_is_kept_with_a_gap(tmp_path, table):
    data = CrystalDataset(tmp_path, table, ["n", "gap"], max_atoms=30)[1]
    lone = CrystalDataset(tmp_path / "lone", table, ["n"], max_atoms=30)[1]
    assert (data.id, lone.id) == ("c1", "c1")
    assert data.y.dtype == torch.float64
    assert data.y[0, 0] == 1
    assert data.y[0, 1].isnan()
    for key in set(data.keys()) - {"y"}:
        ours, theirs = data[key], lone[key]
        is_tensor = isinstance(ours, torch.Tensor)
        assert torch.equal(ours, theirs) if is_tensor else ours == theirs, key


def test_failures_say_what_and_why(tmp_path, table):
    dataset = CrystalDataset(tmp_path, table, ["gap"])
    assert [(f.id, f.stage) for f in dataset.failures] == [
        ("c1", "table"),
        ("c4", "read"),
    ]
    assert dataset.failures[0].reason == "the target 'gap' is missing"
    assert dataset.failures[0].origin == f"{table}, row 2"


@pytest.mark.parametrize("source", ["table", "one"])
def test_cache_gives_the_same_data_set(tmp_path, table, source):
    if source == "one":
        table.write_text(table.read_text().split("\n")[0])
    new = CrystalDataset(tmp_path, table, ["gap"])
    old = CrystalDataset(tmp_path, table, ["gap"])
    assert len(_files(tmp_path)) == 1
    assert old.ledger().counts() == new.ledger().counts()
    assert len(old) == len(new) == (1 if source == "one" else 4)
    assert old.failures == new.failures
    assert old.units == new.units
    assert old.num_sites == new.num_sites
    for item, other in zip(new, old, strict=True):
        assert set(item.keys()) == set(other.keys())
        assert torch.equal(item.edge_attr, other.edge_attr)
        assert torch.equal(item.edge_index, other.edge_index)
        assert torch.equal(item.y, other.y)
        assert (item.id, item.formula) == (other.id, other.formula)


def test_cache_spares_the_encoding(tmp_path, table, monkeypatch):
    CrystalDataset(tmp_path, table, ["gap"])

    def encode_again(*_args, **_options):
        raise AssertionError("encoded again")

    monkeypatch.setattr("pyg_sitenet.data.store.writer.Builder.build", encode_again)
    assert len(CrystalDataset(tmp_path, table, ["gap"])) == 4
    with pytest.raises(AssertionError, match="encoded again"):
        CrystalDataset(tmp_path, table, ["gap"], force_reload=True)


@pytest.mark.parametrize(
    "change",
    [
        {"max_atoms": 30},
        {"primitive_tolerance": 0.05},
        {"targets": ["n"]},
        {"targets": ["n", "gap"]},
        {"pre_transform": AddSelfLoops("edge_attr", fill_value=0.0)},
        {"pre_filter": len},
    ],
    ids=lambda change: next(iter(change)),
)
def test_changed_setting_meets_no_stale_cache(tmp_path, table, change):
    CrystalDataset(tmp_path, table, ["gap"])
    CrystalDataset(tmp_path, table, **({"targets": ["gap"]} | change))
    assert len(_files(tmp_path)) == 2


def test_changed_source_meets_no_stale_cache(tmp_path, table):
    before = CrystalDataset(tmp_path, table, ["n"])
    table.write_text(table.read_text().replace('"n": 2', '"n": 7'))
    after = CrystalDataset(tmp_path, table, ["n"])
    assert [before[2].y.item(), after[2].y.item()] == [2.0, 7.0]


def test_function_that_cannot_be_described_is_applied_anew(tmp_path, table):
    for factor in (2.0, 3.0):

        def scale(data, factor=factor):
            data.y = data.y * factor
            return data

        dataset = CrystalDataset(tmp_path, table, ["gap"], pre_transform=scale)
        assert dataset[0].y.item() == 5 * factor


def _shards(root):
    (folder,) = (root / "processed").iterdir()
    return sorted(folder.glob("graphs/0*.safetensors"))


def _truncate(path):
    path.write_bytes(path.read_bytes()[:-3])


def _flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


DAMAGES = [_truncate, _flip_a_bit, Path.unlink, lambda path: path.write_bytes(b"")]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_shard_is_made_anew_when_it_is_read(tmp_path, table, damage):
    CrystalDataset(tmp_path, table, ["gap"])
    (path,) = _shards(tmp_path)
    content = path.read_bytes()
    damage(path)
    dataset = CrystalDataset(tmp_path, table, ["gap"])
    assert [data.id for data in dataset] == ["c0", "c2", "c3", "c5"]
    assert path.read_bytes() == content


def test_damaged_index_is_made_anew(tmp_path, table):
    CrystalDataset(tmp_path, table, ["gap"])
    (index,) = (tmp_path / "processed").glob("*/graphs/index-*")
    _flip_a_bit(index)
    assert len(CrystalDataset(tmp_path, table, ["gap"])) == 4


def test_damage_after_opening_is_repaired_too(tmp_path, table):
    dataset = CrystalDataset(tmp_path, table, ["gap"])
    (path,) = _shards(tmp_path)
    _flip_a_bit(path)
    assert dataset[0].id == "c0"


@pytest.mark.parametrize("change", ["gone", "changed"])
def test_damage_without_the_source_is_a_clear_error(tmp_path, table, change):
    dataset = CrystalDataset(tmp_path, table, ["gap"])
    _truncate(_shards(tmp_path)[0])
    if change == "gone":
        table.unlink()
    else:
        table.write_text(table.read_text() + "\n")
    wanted = {"gone": "no such file", "changed": "table.jsonl has changed since"}
    with pytest.raises(DataError, match=f"part 0 .* damaged .*{wanted[change]}"):
        dataset[0]


def test_nothing_is_pickled(tmp_path, table):
    CrystalDataset(tmp_path, table, ["gap"], pre_transform=AddSelfLoops("edge_attr"))
    (folder,) = _files(tmp_path)
    assert folder.startswith("table-jsonl-")
    paths = (tmp_path / "processed" / folder).rglob("*")
    suffixes = {path.suffix for path in paths if path.is_file()}
    assert suffixes == {".json", ".safetensors"}


def test_sizes_are_those_of_the_graphs(tmp_path, table):
    dataset = CrystalDataset(tmp_path, table, ["gap"], max_atoms=30)
    assert dataset.num_sites == [data.num_nodes for data in dataset]
    assert dataset.num_pairs == [data.num_edges for data in dataset]
    part = dataset[[2, 0]]
    assert part.num_pairs == [dataset[2].num_edges, dataset[0].num_edges]


def test_one_crystal_data_set_can_be_batched(tmp_path, table):
    table.write_text(table.read_text().split("\n")[0])
    dataset = CrystalDataset(tmp_path, table, ["gap"])
    assert (len(dataset), dataset.num_sites) == (1, [2])
    batch = next(iter(DataLoader(dataset)))
    assert (batch.id, batch.num_graphs) == (["c0"], 1)
    again = next(iter(DataLoader(CrystalDataset(tmp_path, table, ["gap"]))))
    assert again.id == ["c0"]


def test_transform_acts_at_each_access(tmp_path, table):
    dataset = CrystalDataset(
        tmp_path, table, ["gap"], transform=lambda data: Data(y=data.y + 1)
    )
    assert dataset[0].y.item() == dataset[0].y.item() == 6.0


def test_data_set_can_be_sent_to_loading_processes(tmp_path, table):
    dataset = CrystalDataset(tmp_path, table, ["gap"])
    assert pickle.loads(pickle.dumps(dataset))[1].id == "c2"


def test_no_usable_crystal_says_why(tmp_path, table):
    text = table.read_text().replace('"gap": ', '"gap": 1e999, "old": ')
    table.write_text(text)
    with pytest.raises(
        DataError, match=r"none of 6 crystals can be used: .*not finite.*\(\d times\)"
    ):
        CrystalDataset(tmp_path, table, ["gap"])


def test_filter_that_keeps_nothing_is_named(tmp_path, table):
    with pytest.raises(DataError, match="`pre_filter` kept none"):
        CrystalDataset(tmp_path, _usable(table), ["n"], pre_filter=_nothing)


def test_name_alone_is_one_target(tmp_path, table):
    assert CrystalDataset(tmp_path, _usable(table), "gap").targets == ("gap",)


def test_unwritable_root_is_named_with_the_remedy(tmp_path, table):
    (tmp_path / "file").write_text("")
    message = r"cannot write the encoded crystals: .* the cache \(PYG_SITENET_CACHE\)"
    for name in ("file", "x" * 300):  # where none may look, it is an error, too
        with pytest.raises(DataError, match=message):
            CrystalDataset(tmp_path / name, table, ["gap"])


def test_warnings_are_told_in_one_line_and_kept(tmp_path, table, caplog):
    for _ in range(2):
        dataset = CrystalDataset(tmp_path, table, ["gap"], max_atoms=1)
        assert list(dataset.warnings) == ["c0", "c2", "c3", "c5"]
        assert "more than max_atoms=1" in dataset.warnings["c2"][0]
    assert len(caplog.messages) == 2
    assert "4 crystals are used with a warning, such as c0: " in caplog.messages[0]


def test_progress_is_shown_only_when_asked(tmp_path, table, capsys):
    CrystalDataset(tmp_path / "a", table, ["gap"])
    assert capsys.readouterr() == ("", "")
    CrystalDataset(tmp_path / "b", table, ["gap"], progress=True)
    assert "Encoding" in "".join(capsys.readouterr())


def test_whole_bundled_data_set_is_usable(tmp_path):
    dataset = CrystalDataset(tmp_path, max_atoms=20)
    assert len(dataset) == 1056
    assert dataset.failures == []
    assert dataset.units == {"band_gap": "eV"}
    assert max(dataset.num_sites) == 20


def _nothing(_data):
    return False


def _usable(table):
    table.write_text("\n".join(table.read_text().split("\n")[:3]))
    return table


def _hang_on_c2(data):
    if data.id == "c2":
        sum(range(10**12))
    return data


def test_crystal_above_the_time_limit_is_a_failure(tmp_path, table, monkeypatch):
    monkeypatch.setattr("pyg_sitenet.workers.pool._TRIES", 1)
    dataset = CrystalDataset(
        tmp_path, table, ["gap"], time_limit=3, pre_transform=_hang_on_c2
    )
    assert [data.id for data in dataset] == ["c0", "c3", "c5"]
    assert [failure.id for failure in dataset.failures] == ["c1", "c2", "c4"]
    assert dataset.failures[1].reason == "not read and encoded within 3 seconds"


def _write_mixture(path, *others):
    """Two structures in rows of a table: a mixture of salts, and a salt."""
    cell = {"lattice": [[0, 3, 3], [3, 0, 3], [3, 3, 0]]}
    cell["frac_coords"] = [[0, 0, 0], [0.5, 0.5, 0.5]]
    mixture = {"element": "Na", "occu": 0.5}, {"element": "K", "occu": 0.5}
    structures = [
        {
            "lattice": {"matrix": cell["lattice"]},
            "sites": [
                {"species": list(mixture), "abc": cell["frac_coords"][0]},
                {"species": [{"element": "Cl", "occu": 1}], "abc": [0.5] * 3},
            ],
        },
        cell | {"species": ["Na", "Cl"]},
        *others,
    ]
    rows = [{"id": f"c{k}", "gap": k, "structure": s} for k, s in enumerate(structures)]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def test_orderings_of_a_disordered_crystal_are_graphs_with_its_id(tmp_path):
    table = _write_mixture(tmp_path / "t.jsonl")
    dataset = CrystalDataset(
        tmp_path, table, ["gap"], max_atoms=8, disorder="enumerate"
    )
    assert [data.id for data in dataset] == ["c0", "c0", "c1"] == dataset.ids
    assert dataset.y.tolist() == [[0.0], [0.0], [1.0]]
    assert dataset.ledger().used == 2
    assert [data.id for data in dataset[1:]] == dataset[1:].ids == ["c0", "c1"]


def test_disorder_is_an_error_by_default(tmp_path):
    table = _write_mixture(tmp_path / "t.jsonl")
    dataset = CrystalDataset(tmp_path, table, ["gap"], max_atoms=8)
    assert dataset.ids == ["c1"]
    assert "disordered" in dataset.failures[0].reason


def test_graphs_of_other_orderings_are_not_taken(tmp_path):
    table = _write_mixture(tmp_path / "t.jsonl")
    for settings in (
        {"disorder": "sample", "orderings": 2},
        {"disorder": "sample", "orderings": 3},
        {"disorder": "sample", "orderings": 2, "disorder_seed": 1},
        {"disorder": "enumerate", "orderings": 2},
    ):
        CrystalDataset(tmp_path, table, ["gap"], max_atoms=8, **settings)
    assert len(_files(tmp_path)) == 4


def test_settings_of_a_run_are_those_of_the_arguments(tmp_path, table):
    config = DataConfig(
        source=str(table),
        targets=("gap",),
        max_atoms=20,
        environment="sphere",
        primitive_tolerance=0.05,
        merge=False,
        disorder="enumerate",
        orderings=3,
        disorder_seed=5,
        time_limit=30.0,
        workers=1,
    )
    CrystalDataset.from_config(tmp_path, config)
    CrystalDataset(
        tmp_path,
        str(table),
        ("gap",),
        max_atoms=20,
        environment="sphere",
        primitive_tolerance=0.05,
        disorder="enumerate",
        orderings=3,
        disorder_seed=5,
        time_limit=30.0,
    )
    assert len(_files(tmp_path)) == 1


def test_files_of_the_graphs_are_named(tmp_path, table):
    dataset = CrystalDataset(tmp_path, table, ["gap"])
    assert all(Path(path).is_file() for path in dataset.processed_paths)
    assert len(dataset.processed_paths) == 1
    (folder,) = _files(tmp_path)
    prepared = CrystalDataset(
        tmp_path / "other", tmp_path / "processed" / folder, ["gap"]
    )
    assert all(
        Path(path).samefile(*dataset.processed_paths)
        for path in prepared.processed_paths
    )


def test_cached_crystals_are_a_source_of_their_own(tmp_path, table):
    cached = CrystalDataset(tmp_path, table, ["gap", "n"])
    (folder,) = _files(tmp_path)
    table.unlink()
    dataset = CrystalDataset(tmp_path, tmp_path / "processed" / folder, ["n"])
    assert [data.id for data in dataset] == [data.id for data in cached]
    assert torch.equal(dataset.y, cached.y[:, 1:])
    assert dataset.failures == cached.failures


def test_cached_crystals_of_own_functions_are_no_source(tmp_path, table):
    transform = AddSelfLoops("edge_attr")
    CrystalDataset(tmp_path, table, ["gap"], pre_transform=transform)
    (folder,) = _files(tmp_path)
    with pytest.raises(ConfigError, match=r"`pre_filter` of your own"):
        open_source(tmp_path / "processed" / folder, ["gap"])


def test_settings_are_written_beside_the_graphs(tmp_path, table):
    CrystalDataset(tmp_path, table, ["gap"], max_atoms=30)
    (folder,) = _files(tmp_path)
    path = tmp_path / "processed" / folder / "prepared.json"
    values = json.loads(path.read_text())
    assert values["source"] == str(table)
    assert values["settings"]["max_atoms"] == 30
    assert values["key"] == folder.rpartition("-")[2]


class _Rich:
    """Adds what a graph may hold beside ordinary tensors."""

    def __call__(self, data):
        size = (data.num_nodes, data.num_nodes)
        data.edge_index = EdgeIndex(
            data.edge_index, sparse_size=size, sort_order="col", is_undirected=True
        )
        weights = torch.arange(1.0, data.num_edges + 1)
        with torch.sparse.check_sparse_tensor_invariants():
            coo = torch.sparse_coo_tensor(data.edge_index.as_tensor(), weights, size)
            data.adj = coo.coalesce()
            data.adj_t = data.adj.to_sparse_csr()
            data.adj_c = data.adj.to_sparse_csc()
        data.half = data.x.bfloat16()
        data.learnt = data.x.clone().requires_grad_()
        data.site = Index(torch.arange(data.num_nodes), dim_size=9, is_sorted=True)
        return data


@pytest.mark.filterwarnings("ignore:Sparse CS. tensor support is in beta")
def test_sparse_tensors_edge_indices_and_bfloat16_come_back(tmp_path, table):
    plain = CrystalDataset(tmp_path, table, "n", max_atoms=20)
    rich = CrystalDataset(tmp_path, table, "n", max_atoms=20, pre_transform=_Rich())
    for data, expected in zip(rich, map(_Rich(), plain), strict=True):
        assert set(data.keys()) == set(expected.keys())
        assert isinstance(data.edge_index, EdgeIndex)
        assert data.edge_index.sparse_size() == expected.edge_index.sparse_size()
        assert data.edge_index.sort_order == expected.edge_index.sort_order
        assert data.edge_index.is_undirected
        assert isinstance(data.site, Index)
        assert (data.site.dim_size, data.site.is_sorted) == (9, True)
        assert data.half.dtype == torch.bfloat16
        for key in ("adj", "adj_t", "adj_c"):
            assert data[key].layout == expected[key].layout
            assert torch.equal(data[key].to_dense(), expected[key].to_dense())
        for key in ("edge_index", "half", "learnt", "site"):
            assert torch.equal(data[key], expected[key]), key
    batch = next(iter(DataLoader(rich, batch_size=2)))
    assert isinstance(batch.edge_index, EdgeIndex)
    assert batch.adj_t.shape == (4, 4)


@pytest.mark.parametrize("result", [None, {}], ids=["None", "dict"])
def test_pre_transform_that_returns_no_graph_is_named(tmp_path, table, result):
    kind = type(result).__name__
    with pytest.raises(ConfigError, match=f"`pre_transform` must return .* got {kind}"):
        CrystalDataset(tmp_path, table, "n", pre_transform=lambda _: result)


def test_tensor_of_a_type_that_files_do_not_have_is_refused(tmp_path, table):
    def add(data):
        data.wave = torch.ones(2, dtype=torch.complex64)
        return data

    with pytest.raises(DataError, match=r"`wave` .* got a tensor of torch.complex64"):
        CrystalDataset(tmp_path, table, "n", pre_transform=add)


def test_a_single_target_may_stand_alone(tmp_path, table):
    dataset = CrystalDataset(tmp_path, table, "gap")
    assert dataset.targets == ("gap",)
    assert dataset[0].y.tolist() == [[5.0]]


def test_without_a_root_the_cache_folder_is_taken(tmp_path, table, monkeypatch):
    monkeypatch.setenv("PYG_SITENET_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    assert len(CrystalDataset(None, table, "gap")) == 4
    assert len(_files(tmp_path / "cache")) == 1
    assert not (tmp_path / "None").exists()


@pytest.mark.parametrize(
    "kind", [{"units": {"gpa": "eV"}}, {"classes": {"gpa": ["1", "2"]}}]
)
def test_options_of_what_is_no_target_are_refused(tmp_path, table, kind):
    with pytest.raises(DataError, match=r"names 'gpa', which is no target; `targets`"):
        CrystalDataset(tmp_path, table, ["gap"], **kind)


def test_structures_in_memory_are_no_source(tmp_path):
    structure = Structure(Lattice.cubic(4), ["Cs"], [[0, 0, 0]])
    with pytest.raises(TypeError, match=r"`source` must be a path, .* got Structure"):
        CrystalDataset(tmp_path, [structure], ["gap"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_atoms": 0}, r"data\.max_atoms: .* greater than or equal to 1, got 0"),
        (
            {"environment": "ball"},
            r"environment: .* or 'sphere', got 'ball'",
        ),
        ({"disorder": "ERROR"}, r"disorder: .* 'error', 'sample' or .*, got 'ERROR'"),
        ({"orderings": 0}, r"data\.orderings: .* greater than or equal to 1, got 0"),
        ({"disorder_seed": -1}, r"data\.disorder_seed: .* equal to 0, got -1"),
        ({"time_limit": -1}, r"data\.time_limit: .* greater than 0, got -1"),
        ({"workers": -1}, r"data\.workers: .* greater than or equal to 0, got -1"),
        ({"workers": 1.5}, r"data\.workers: .* valid integer.* got 1\.5"),
    ],
)
def test_settings_that_cannot_be_are_refused(tmp_path, table, settings, message):
    with pytest.raises(ConfigError, match=message):
        CrystalDataset(tmp_path, table, ["gap"], **settings)
    assert not (tmp_path / "processed").exists()


def test_settings_may_be_numbers_of_numpy(tmp_path, table):
    plain = CrystalDataset(tmp_path, table, ["gap"], max_atoms=20, orderings=3)
    numbers = {"max_atoms": np.int64(20), "orderings": np.int32(3)}
    again = CrystalDataset(tmp_path, table, ["gap"], **numbers)
    assert again.processed_file_names == plain.processed_file_names


def test_classes_may_be_numbers_or_those_of_the_source(tmp_path, table):
    numbers = CrystalDataset(tmp_path, table, "n", classes={"n": [5, 3, 2, 1, 0]})
    assert numbers.classes == {"n": ("5", "3", "2", "1", "0")}
    assert numbers.y.flatten().tolist() == [4, 3, 2, 1, 0]
    found = CrystalDataset(tmp_path, table, "n", classes={"n": []})
    assert found.classes == {"n": ("0", "1", "2", "3", "4", "5")}
    assert found.y.flatten().tolist() == [0, 1, 2, 3, 5]


def test_classes_of_several_sources_are_to_be_listed(tmp_path, table):
    with pytest.raises(DataError, match=r"classes of 'n'.* single source.* list"):
        CrystalDataset(tmp_path, [table, table], "n", classes={"n": []})
    single = CrystalDataset(tmp_path, [table], "n", classes={"n": []})
    assert single.classes == {"n": ("0", "1", "2", "3", "4", "5")}
