from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from ase.build import bulk, fcc111
from pymatgen.core import Lattice, Structure

from pyg_sitenet.config import Config, DataConfig, ModelConfig
from pyg_sitenet.data.records import Failure, Record
from pyg_sitenet.errors import StructureError
from pyg_sitenet.model_file import ModelDescription, save_model
from pyg_sitenet.nn import SiteNet, SiteNetEnsemble
from pyg_sitenet.prediction import Prediction, Predictor, load_predictor

CONFIG = Config(
    data=DataConfig(max_atoms=20, max_sites=6, max_pairs=100),
    model=ModelConfig(attention_hidden=(16,), post_pool=(16,), radial_basis=4),
)


def _salt(a: float = 5.64) -> Structure:
    return Structure.from_ase_atoms(bulk("NaCl", "rocksalt", a=a, cubic=True))


def _overlapping() -> Structure:
    return Structure(Lattice.cubic(4), ["Na", "Cl"], [[0, 0, 0], [0.01, 0, 0]])


@pytest.fixture
def description() -> ModelDescription:
    return ModelDescription(
        config=CONFIG,
        targets=("band_gap", "n"),
        units={"band_gap": "eV"},
        elements=(6, 11, 13, 14, 17),
    )


@pytest.fixture
def predictor(description: ModelDescription) -> Predictor:
    torch.manual_seed(0)
    return Predictor(SiteNet(CONFIG.model, num_targets=2), description)


def test_structure_atoms_and_file_give_one_result(
    predictor: Predictor, tmp_path: Path
) -> None:
    salt, path = _salt(), tmp_path / "salt.cif"
    salt.to(filename=str(path))
    table = predictor.predict([salt, salt.to_ase_atoms(), path, str(path)])
    values = table[["band_gap [eV]", "n"]].to_numpy()
    np.testing.assert_allclose(values, np.tile(values[0], (4, 1)), atol=1e-5)
    assert list(table["id"]) == ["0", "1", str(path), str(path)]
    assert set(table["formula"]) == {"NaCl"}


def test_one_structure_gives_one_row(predictor: Predictor) -> None:
    table = predictor.predict(bulk("Si"))
    assert list(table.columns) == ["id", "formula", "band_gap [eV]", "n"]
    assert len(table) == 1


def test_order_and_values_do_not_depend_on_the_batch(predictor: Predictor) -> None:
    # The budget of 6 sites and 100 pairs cuts these into several batches.
    crystals = [_salt(5.5 + 0.05 * k) for k in range(7)]
    crystals.insert(3, bulk("Si"))
    together = predictor.predict(crystals)
    alone = [predictor.predict(crystal)["band_gap [eV]"][0] for crystal in crystals]
    np.testing.assert_allclose(together["band_gap [eV]"], alone, atol=1e-5)
    assert list(together["formula"])[3] == "Si"


def test_batches_stay_within_the_budget(predictor: Predictor) -> None:
    sizes: list[tuple[int, int]] = []
    predictor.model.register_forward_pre_hook(
        lambda _, inputs: sizes.append((inputs[0].num_nodes, inputs[0].num_edges))
    )
    predictor.predict([_salt()] * 7)  # 2 sites, 8 different pairs each
    assert sizes == [(6, 24), (6, 24), (2, 8)]


def test_of_an_ensemble_the_first_network_is_looked_into(
    description: ModelDescription, caplog: pytest.LogCaptureFixture
) -> None:
    networks = [SiteNet(description.config.model) for _ in range(3)]
    predictor = Predictor(SiteNetEnsemble(networks), description)
    assert predictor.network is predictor.network is networks[0]
    assert caplog.messages == [
        "the model is an ensemble of 3; its first network is looked into"
    ]


def test_dropout_is_off(description: ModelDescription) -> None:
    model = SiteNet(ModelConfig(dropout=0.5), num_targets=2).train()
    predictor = Predictor(model, description)
    first, second = (predictor.predict(bulk("Si"))["n"][0] for _ in range(2))
    assert first == second


def test_bad_structure_stops_by_default(predictor: Predictor) -> None:
    with pytest.raises(StructureError):
        predictor.predict([_salt(), _overlapping()])


def test_bad_structure_can_be_recorded(predictor: Predictor, tmp_path: Path) -> None:
    empty = tmp_path / "empty.cif"
    empty.write_text("")
    table = predictor.predict([empty, _salt(), _overlapping()], on_error="record")
    assert list(table["reason"].astype(bool)) == [True, False, True]
    assert table["n"].isna().tolist() == [True, False, True]
    assert "empty.cif" in table["reason"][0]


def test_remedy_is_the_one_of_the_reason(predictor: Predictor) -> None:
    """No other is added to it: a vacancy is no wrong position."""
    salt = _salt()
    salt.replace(0, {"Na": 0.5})
    (row,) = predictor.predict([salt], on_error="record").to_dict("records")
    assert "let some be made" in row["reason"]
    assert "check the cell" not in row["reason"]


def test_no_structures_give_an_empty_table(predictor: Predictor) -> None:
    table = predictor.predict([])
    assert list(table.columns) == ["id", "formula", "band_gap [eV]", "n"]
    assert table.empty


def test_unknown_element_is_a_warning(predictor: Predictor) -> None:
    with pytest.warns(UserWarning, match="never seen Cu in training"):
        table = predictor.predict(bulk("Cu"))
    assert np.isfinite(table["n"][0])


def test_known_elements_do_not_warn(predictor: Predictor) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        predictor.predict(bulk("Al"))


def test_slab_with_vacuum_is_accepted_if_periodic(predictor: Predictor) -> None:
    slab = fcc111("Al", (1, 1, 3), vacuum=6.0, periodic=True)
    assert len(predictor.predict(slab)) == 1


def test_stream_keeps_order_and_failures(predictor: Predictor) -> None:
    halves = [{"Na": 0.5, "K": 0.5}, "Cl"]  # needs an ordering, which none asks for
    disordered = Structure(Lattice.cubic(4), halves, [[0, 0, 0], [0.5] * 3])
    refused = Failure("table.csv", "b", "table", "no file", "add it")
    stream = [
        Record("a", _salt(), {"n": 1.5}, "a.cif", ("oxidation states guessed",)),
        refused,
        Record("c", disordered, {}, "c.cif"),
        Record("d", Structure.from_ase_atoms(bulk("Si")), {}, "d.cif"),
    ]
    first, second, third, fourth = predictor.predict_records(stream)
    assert isinstance(first, Prediction)
    assert first.targets == {"n": 1.5}
    assert first.warnings == ("oxidation states guessed",)
    assert second == refused
    assert isinstance(third, Failure)
    assert (third.id, third.origin, third.stage) == ("c", "c.cif", "encode")
    assert isinstance(fourth, Prediction)
    assert fourth.formula == "Si"


def test_stream_yields_before_its_end(predictor: Predictor) -> None:
    def endless() -> object:
        while True:
            yield Record("a", _salt(), {}, "a.cif")

    results = predictor.predict_records(endless())  # type: ignore[arg-type]
    assert [next(results).id for _ in range(5)] == ["a"] * 5


def test_wrong_arguments_are_named(predictor: Predictor) -> None:
    with pytest.raises(TypeError, match=r"`structures` must be a path, .* got int"):
        predictor.predict(3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="`on_error` must be 'raise' or 'record'"):
        predictor.predict(bulk("Si"), on_error="ignore")  # type: ignore[arg-type]


def test_loaded_predictor_equals_the_saved_model(
    predictor: Predictor, description: ModelDescription, tmp_path: Path
) -> None:
    save_model(tmp_path / "model.safetensors", predictor.model, description)
    loaded = load_predictor(tmp_path).predict(_salt())
    assert loaded.equals(predictor.predict(_salt()))


def test_prediction_that_is_no_number_is_a_failure(predictor: Predictor) -> None:
    with torch.no_grad():
        next(predictor.model.parameters()).fill_(torch.nan)
    (result,) = predictor.predict_records([Record("a", _salt(), {}, "a.cif")])
    assert isinstance(result, Failure)
    assert (result.stage, result.origin) == ("predict", "a.cif")
    with pytest.raises(StructureError, match="structure 0: the prediction is not a fi"):
        predictor.predict(_salt())


def test_weights_stay_as_they_are_however_much_is_predicted(
    predictor: Predictor,
) -> None:
    before = predictor.fingerprint()
    for _ in range(20):
        predictor.predict([_salt(), bulk("Si"), bulk("Al")])
    assert predictor.fingerprint() == before


def test_graph_is_what_is_predicted_from() -> None:
    predictor = load_predictor("band-gap")
    file = Path(__file__).parents[2] / "examples/structures/NaCl.cif"
    value = predictor.predict(file)["band_gap [eV]"][0]
    with torch.no_grad():
        assert predictor.model(predictor.graph(file)).item() == pytest.approx(value)


def test_rows_of_a_column_keep_its_index(predictor: Predictor) -> None:
    column = pd.Series([_salt(5.5), _salt(5.7)], index=["b", "a"])
    table = predictor.predict(column)
    assert list(table.index) == ["b", "a"]
    assert list(predictor.predict(list(column)).index) == [0, 1]


def test_a_warning_names_its_crystal_once(tmp_path: Path) -> None:
    file = tmp_path / "x.cif"
    salt = Structure.from_ase_atoms(bulk("LiH", "rocksalt", a=4.08))
    file.write_text(salt.to(fmt="cif").replace("H ", "D "))
    with pytest.warns(UserWarning, match="deuterium") as caught:
        load_predictor("band-gap").predict(file)
    texts = [str(warning.message) for warning in caught]
    (text,) = [text for text in texts if "deuterium counts as hydrogen" in text]
    assert text.count("x.cif") == 1
