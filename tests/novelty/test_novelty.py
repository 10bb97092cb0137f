"""How unlike the training data crystals are, on the bundled band gaps."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, surface
from pymatgen.core import Structure
from torch_geometric.data import Data

from pyg_sitenet import MergeEquivalent, encode_structure
from pyg_sitenet.config import Config, DataConfig, ModelConfig
from pyg_sitenet.data.records import Record
from pyg_sitenet.data.sources import open_source
from pyg_sitenet.model_file import ModelDescription
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.novelty import (
    Crystal,
    Novelty,
    NoveltyMeasure,
    crystal_features,
    fit_novelty,
    reach_of,
)
from pyg_sitenet.prediction import Predictor
from pyg_sitenet.uncertainty import calibrate

CONFIG = Config(
    data=DataConfig(max_atoms=30),
    model=ModelConfig(attention_hidden=(8,), post_pool=(8,)),
)


def _encode(crystal: Atoms | Structure) -> Data:
    if isinstance(crystal, Atoms):
        crystal = Structure.from_ase_atoms(crystal)
    return MergeEquivalent()(encode_structure(crystal, max_atoms=30))


@pytest.fixture(scope="module")
def network() -> SiteNet:
    torch.manual_seed(0)
    return SiteNet(CONFIG.model).eval()


def _vector(network: SiteNet, graph: Data) -> list[float]:
    with torch.inference_mode():
        vector: list[float] = network.embed(graph).crystals[0].tolist()
    return vector


def _crystal(network: SiteNet, graph: Data) -> Crystal:
    return Crystal(crystal_features(graph), _vector(network, graph))


@pytest.fixture(scope="module")
def graphs() -> list[Data]:
    records = islice(iter(open_source("dielectric")), 150)
    return [_encode(r.structure) for r in records if isinstance(r, Record)]


@pytest.fixture(scope="module")
def record(network: SiteNet, graphs: list[Data]) -> Novelty:
    crystals = [_crystal(network, graph) for graph in graphs]
    training, held_out = crystals[::2], crystals[1::2]
    record = fit_novelty(
        [c.features for c in training], dict(enumerate(training)), held_out, reach=3.0
    )
    assert record is not None
    return record


@pytest.mark.parametrize(
    ("crystal", "reason"),
    [
        (bulk("Si"), "no training crystal of a single element"),
        (bulk("Mg"), "no training crystal of a single element"),
        (bulk("NaCl", "rocksalt", a=7.2), "its bonds are longer"),
        (bulk("NaCl", "rocksalt", a=4.5), "its bonds are shorter"),
    ],
    ids=["Si", "Mg", "expanded NaCl", "compressed NaCl"],
)
def test_crystals_unlike_all_others_are_told_with_the_reason(
    record: Novelty, network: SiteNet, crystal: Atoms, reason: str
) -> None:
    measure, compared = NoveltyMeasure(record), _crystal(network, _encode(crystal))
    assert measure.of(measure.compare(compared).size) < 0.02
    assert reason in "; ".join(measure.reasons(compared))


def test_layer_in_a_vacuum_is_told(record: Novelty, network: SiteNet) -> None:
    """Its bonds are those of the crystal, and open crystals are among those learnt."""
    layer = surface(bulk("MgO", "rocksalt", a=4.21, cubic=True), (1, 0, 0), 3, 30.0)
    layer.pbc = True
    measure, compared = NoveltyMeasure(record), _crystal(network, _encode(layer))
    assert measure.of(measure.compare(compared).size) < 0.02
    assert "packed less densely than those of its elements" in "; ".join(
        measure.reasons(compared)
    )
    usual = _crystal(network, _encode(bulk("MgO", "rocksalt", a=4.21)))
    assert measure.of(measure.compare(usual).size) > 0.02


def test_novelty_is_the_share_of_ordinary_crystals_that_are_as_unlike(
    record: Novelty, network: SiteNet, graphs: list[Data]
) -> None:
    measure = NoveltyMeasure(record)
    shares = [
        measure.of(measure.compare(_crystal(network, g)).size) for g in graphs[1::2]
    ]
    assert len(record.held_out) == 150  # 75 held out, 75 of training
    assert sorted(shares)[0] >= 1 / 150
    assert np.mean(shares) == pytest.approx(0.5, abs=0.1)


def test_vector_far_from_all_others_is_unlike(
    record: Novelty, graphs: list[Data]
) -> None:
    measure = NoveltyMeasure(record)
    far = Crystal(crystal_features(graphs[0]), [100.0] * record.width)
    result = measure.compare(far)
    assert measure.of(result.size) == 0
    assert result.widening == result.size > 1
    assert "to the network it is unlike" in measure.reasons(far)[0]


def test_unlike_values_of_near_crystals_are_told(
    network: SiteNet, graphs: list[Data]
) -> None:
    """A network that takes graphite for diamond cannot tell which of both it sees."""
    crystals = [_crystal(network, graph) for graph in graphs]
    center = np.array(crystals[0].vector) + 100.0
    apart = [
        c._replace(values=[0.0 if k > 7 else k % 2 * 6 - 3])
        for k, c in enumerate(crystals[::2])
    ]
    near = [c._replace(vector=center + 1e-3 * k) for k, c in enumerate(apart[:8])]
    sample = dict(enumerate([*near, *apart[8:]]))
    record = fit_novelty([c.features for c in crystals[::2]], sample, crystals[1::2])
    assert record is not None
    measure = NoveltyMeasure(record)
    between = crystals[1]._replace(vector=center)
    assert measure.of(measure.compare(between).size) < 0.02
    assert "have very unlike values" in "; ".join(measure.reasons(between))


def test_what_no_training_crystal_has_makes_intervals_reach_further(
    record: Novelty, network: SiteNet, graphs: list[Data]
) -> None:
    crystal = _crystal(network, graphs[0])
    neon = crystal.features._replace(elements=(*crystal.features.elements, 10))
    measure = NoveltyMeasure(record)
    assert measure.compare(crystal).widening == 1
    assert measure.compare(crystal._replace(features=neon)).widening >= 3


def test_reach_is_halfway_between_the_model_and_knowing_nothing() -> None:
    errors = np.linspace(0, 1, 101)
    assert reach_of(errors, 4 * errors) == pytest.approx(2)
    assert reach_of(errors, 0.5 * errors) == 1
    assert reach_of(0 * errors, errors) == 10
    assert reach_of(errors[:19], 4 * errors[:19]) == 1


def test_spread_of_an_ensemble_counts_beside_its_interval(
    network: SiteNet, graphs: list[Data]
) -> None:
    crystals = [_crystal(network, graph) for graph in graphs]
    spreads = np.linspace(0.5, 1.5, 75)[:, None]
    held_out = [
        crystal._replace(spread=spread)
        for crystal, spread in zip(crystals[1::2], spreads, strict=True)
    ]
    features = [crystal.features for crystal in crystals[::2]]
    record = fit_novelty(features, dict(enumerate(crystals[::2])), held_out)
    assert record is not None
    assert record.spreads == (1.0,)
    measure = NoveltyMeasure(record)
    agreed, other = held_out[0], held_out[0]._replace(spread=[50.0])
    assert measure.of(measure.compare(agreed).size) > 0.1
    assert measure.of(measure.compare(other).size) == 0
    assert measure.reasons(other)[0] == "the networks of the ensemble disagree on it"
    # Their spread is a factor of the interval already.
    assert measure.compare(other).widening == measure.compare(agreed).widening


def test_predictions_tell_their_novelty_and_widen_their_intervals(
    record: Novelty, network: SiteNet
) -> None:
    errors = np.linspace(0.01, 1, 99)
    description = ModelDescription(
        config=CONFIG,
        targets=("gap",),
        novelty=record,
        calibration=calibrate({"gap": errors}, {"gap": np.zeros(99)}),
    )
    predictor = Predictor(network, description, level=0.9)
    crystals = [bulk("Si"), bulk("MgO", "rocksalt", a=4.21)]
    silicon, oxide = predictor.predict_records(
        Record(str(k), Structure.from_ase_atoms(atoms))
        for k, atoms in enumerate(crystals)
    )
    assert silicon.novelty == 0
    (warning,) = silicon.warnings
    assert warning.startswith("unlike the training data: ")
    assert "no training crystal of a single element" in warning
    assert oxide.novelty > 0.01
    assert oxide.warnings == ()
    widths = [p.uncertainty.upper["gap"] - p.values["gap"] for p in (silicon, oxide)]
    assert widths[1] == pytest.approx(errors[89] * oxide.widening, rel=1e-5)
    assert oxide.widening < 1.1
    assert widths[0] == pytest.approx(errors[89] * silicon.widening, rel=1e-5)
    assert silicon.widening > 1
    with pytest.warns(UserWarning, match="unlike the training data"):
        table = predictor.predict(crystals)
    assert table["novelty"].tolist() == [silicon.novelty, oxide.novelty]


def test_bonds_of_elements_that_training_had_not_are_compared_with_others(
    record: Novelty, network: SiteNet
) -> None:
    measure = NoveltyMeasure(record)
    assert 18 not in record.elements
    reasons = "; ".join(
        measure.reasons(_crystal(network, _encode(bulk("Ar", "fcc", a=5.26))))
    )
    assert "its bonds are longer than those of others in training" in reasons
    sparse = bulk("Na", "bcc", a=9.0)
    assert "longer than those of its elements in training" in "; ".join(
        measure.reasons(_crystal(network, _encode(sparse)))
    )
