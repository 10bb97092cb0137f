from itertools import islice

import pytest
import torch
from torch_geometric.data import Data

from pyg_sitenet.config import DataConfig
from pyg_sitenet.data.graph.encoder import Encoder
from pyg_sitenet.data.records import Failure, Record
from pyg_sitenet.data.sources import open_source
from pyg_sitenet.transforms import MergeEquivalent


@pytest.fixture(scope="module")
def entries():
    return lambda count: list(
        islice(open_source("dielectric", ["band_gap"]).entries(), count)
    )


def test_graph_carries_target_id_and_formula(entries):
    (entry,) = entries(1)
    data = Encoder(max_atoms=20)(entry).data
    assert (data.id, data.formula) == ("mp-441", "Rb2Te")
    assert data.y.shape == (1, 1)
    assert data.y.dtype == torch.float64
    assert data.y.item() == pytest.approx(1.88)


def test_cell_above_max_atoms_is_kept_with_a_warning(entries):
    (entry,) = entries(1)
    result = Encoder(max_atoms=2)(entry)
    assert result.data.num_nodes == 3
    assert "3 sites, more than max_atoms=2" in result.warnings[0]
    assert Encoder(max_atoms=3)(entry).warnings == ()


def test_filter_and_transform_are_applied_in_this_order(entries):
    some = entries(6)
    encoder = Encoder(
        max_atoms=10,
        pre_filter=lambda data: data.y.item() > 3 and data.num_nodes > 0,
        pre_transform=lambda data: Data(y=-data.y),
    )
    results = [encoder(entry) for entry in some]
    is_wide = [entry.targets["band_gap"] > 3 for entry in some]
    assert [result is not None for result in results] == is_wide
    assert all(result.data.y.item() < -3 for result in results if result is not None)


def test_crystal_that_cannot_be_encoded_is_a_failure(entries, monkeypatch):
    def overflow(*_args, **_options):
        raise MemoryError

    monkeypatch.setattr("pyg_sitenet.data.graph.encoder.encode_checked", overflow)
    (entry,) = entries(1)
    failure = Encoder()(entry)
    assert (failure.id, failure.stage, failure.reason) == (
        "mp-441",
        "encode",
        "MemoryError",
    )


def test_record_needs_no_targets(nacl):
    record = Record("salt", nacl, origin="salt.cif", warnings=("sharp",))
    result = Encoder(max_atoms=8)(record)
    assert (result.id, result.origin, result.targets) == ("salt", "salt.cif", {})
    assert result.warnings == ("sharp",)
    assert result.data.formula == "NaCl"
    assert result.data.y.shape == (1, 0)


def test_targets_and_origin_of_an_entry_are_kept(entries):
    (entry,) = entries(1)
    result = Encoder(max_atoms=8)(entry)
    assert result.targets == {"band_gap": pytest.approx(1.88)}
    assert result.origin == "bundled data set dielectric, mp-441"


def test_failure_stays_as_it_is():
    failure = Failure("t.csv, row 9", "x", "table", "no file", "add it")
    assert Encoder()(failure) is failure


def test_a_disordered_crystal_is_refused_with_a_remedy(mixed_salt):
    failure = Encoder()(Record("mix", mixed_salt, origin="mix.cif"))
    assert failure.stage == "encode"
    assert failure.reason.startswith("mix.cif: disordered, one site is occupied by")
    assert "--disorder sample" in failure.reason


@pytest.mark.parametrize("disorder", ["sample", "enumerate"])
def test_a_disordered_crystal_becomes_a_graph_for_each_ordering(mixed_salt, disorder):
    encoder = Encoder(20, disorder=disorder, orderings=2)
    result = encoder(Record("mix", mixed_salt, {"gap": 8.0}, "mix.cif"))
    assert len(result.graphs) == 2
    assert len(result.ordered.weights) == 2
    assert {graph.formula for graph in result.graphs} == {"KNaCl2"}
    assert {graph.y.item() for graph in result.graphs} == {8.0}
    first, second = (graph.edge_attr.shape for graph in result.graphs)
    same = first == second and torch.equal(*(g.edge_attr for g in result.graphs))
    assert not same


def test_an_ordered_crystal_is_the_same_whatever_is_done_with_disorder(nacl):
    record = Record("salt", nacl)
    plain, sampled = Encoder(20)(record), Encoder(20, disorder="sample")(record)
    assert (sampled.others, sampled.ordered) == ((), None)
    assert torch.equal(plain.data.edge_attr, sampled.data.edge_attr)


def test_a_misfit_is_a_warning(mixed_salt):
    mixed_salt.replace_species({"K": {"K": 0.9, "Rb": 0.1}})
    outcome = Encoder(12, disorder="sample")(Record("mix", mixed_salt)).warnings
    assert outcome[0].startswith("ordered as ClK")
    assert outcome[1].startswith("too little Rb for one atom")


SETTINGS = {
    "max_atoms": 20,
    "environment": "sphere",
    "primitive_tolerance": 0.05,
    "merge": False,
    "disorder": "sample",
    "orderings": 3,
    "disorder_seed": 5,
}


def test_every_setting_of_the_graphs_reaches_the_encoder():
    encoder = Encoder.from_config(DataConfig(**SETTINGS))
    assert encoder.settings() == SETTINGS | {"pre_filter": None}
    # A field of the encoder that the settings leave out would stay at its default.
    assert len(vars(encoder)) == len(encoder.settings())


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_tell_encoders_apart(name):
    base = DataConfig(**SETTINGS)
    default = DataConfig.model_fields[name].default
    other = base.model_copy(update={name: default})
    assert Encoder.from_config(base).settings() != Encoder.from_config(other).settings()


def test_own_functions_are_settings_by_their_description():
    settings = Encoder(pre_transform=MergeEquivalent(keep_origin=True)).settings()
    assert "keep_origin: True" in settings["merge"]
    assert Encoder(pre_transform=MergeEquivalent()).settings()["merge"] is True
    assert "len" in Encoder(pre_filter=len).settings()["pre_filter"]


def test_merged_graphs_say_where_they_came_from_if_asked(entries):
    (entry,) = entries(1)
    config = DataConfig(max_atoms=20)
    for keep_origin in (False, True):
        encoder = Encoder.from_config(config, keep_origin=keep_origin)
        assert ("merged_site" in encoder(entry).data) is keep_origin
