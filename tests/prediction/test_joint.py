"""Several models at once say what each says alone."""

from __future__ import annotations

import pytest
import torch
from pymatgen.core import Lattice, Structure

from pyg_sitenet.config import DataConfig, override
from pyg_sitenet.data.readers.objects import read_inputs
from pyg_sitenet.errors import ConfigError
from pyg_sitenet.model_file import ModelDescription
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.prediction import Predictor, load_predictor
from pyg_sitenet.prediction.joint import JointPredictor


def other_predictor(first: Predictor, *settings: str) -> Predictor:
    """A model of another target that has seen potassium and no lithium."""
    torch.manual_seed(1)
    config = override(first.description.config, settings)
    description = ModelDescription(
        config=config,
        targets=("energy",),
        units={"energy": "eV"},
        elements=(11, 17, 19),
    )
    return Predictor(SiteNet(config.model), description)


@pytest.fixture
def salts() -> list[Structure]:
    cells = [("Na", 5.6), ("Li", 5.1), ("K", 6.3), ("Xe", 6.9)]
    return [
        Structure.from_spacegroup(
            "Fm-3m", Lattice.cubic(a), [metal, "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]
        )
        for metal, a in cells
    ]


@pytest.mark.parametrize("settings", [(), ("data.max_atoms=14",)])
def test_row_has_what_each_model_says_alone(small_predictor, salts, settings) -> None:
    energy = other_predictor(small_predictor, *settings)
    joint = JointPredictor({"gaps": small_predictor, "energies": energy})
    results = list(joint.predict_records(read_inputs(salts)))
    alone = [
        [result.values for result in predictor.predict_records(read_inputs(salts))]
        for predictor in (small_predictor, energy)
    ]
    assert [result.values for result in results] == [
        first | second for first, second in zip(*alone, strict=True)
    ]
    assert joint.headings() == ["id", "formula", "gap [eV]", "energy [eV]", "warnings"]
    values = list(results[0].values.values())
    assert joint.row(results[0])[:4] == ["0", "NaCl", *values]


def test_warning_says_whose_it_is_unless_all_have_it(small_predictor, salts) -> None:
    models = {"gaps": small_predictor, "energies": other_predictor(small_predictor)}
    joint = JointPredictor(models)
    outcome = [
        prediction.warnings for prediction in joint.predict_records(read_inputs(salts))
    ]
    assert outcome[0] == ()
    assert [text.partition("the")[0] for text in outcome[1]] == ["energies: "]
    assert [text.partition("the")[0] for text in outcome[2]] == ["gaps: "]
    assert [text.partition("the")[0] for text in outcome[3]] == [""]


def test_crystal_that_one_cannot_predict_is_a_failure(small_predictor, salts) -> None:
    broken = other_predictor(small_predictor)
    for weight in broken.model.parameters():
        weight.data.fill_(torch.nan)
    joint = JointPredictor({"gaps": small_predictor, "energies": broken})
    [failure] = joint.predict_records(read_inputs(salts[:1]))
    assert failure.reason == "the prediction is not a finite number"


def test_two_models_of_one_target_are_refused(small_predictor) -> None:
    models = {"a": small_predictor, "runs/gap": small_predictor}
    with pytest.raises(ConfigError, match="a and runs/gap both predict gap; expected"):
        JointPredictor(models)


def test_models_that_encode_differently_have_no_common_encoder(small_predictor) -> None:
    other = other_predictor(small_predictor, "data.max_atoms=14")
    joint = JointPredictor({"gaps": small_predictor, "energies": other})
    with pytest.raises(ConfigError, match="gaps, energies encode crystals differently"):
        _ = joint.encoder


@pytest.mark.filterwarnings("ignore::UserWarning")  # elements it has not seen
@pytest.mark.parametrize("has_record", [True, False])
def test_novelty_is_the_lowest_of_those_that_models_tell(salts, has_record) -> None:
    gaps = load_predictor("band-gap")
    description = gaps.description.model_copy(
        update={
            "targets": ("energy",),
            "units": {"energy": "eV"},
            "target_ranges": {},
            "members": 1,
        }
    )
    if not has_record:
        description = description.model_copy(update={"novelty": None})
    torch.manual_seed(1)  # other weights, so that crystals are unlike in another way
    energies = Predictor(SiteNet(gaps.description.config.model), description)
    joint = JointPredictor({"gaps": gaps, "energies": energies})
    assert joint.headings().count("novelty") == 1
    [result] = joint.predict_records(read_inputs(salts[:1]))
    alone = [
        next(p.predict_records(read_inputs(salts[:1]))).novelty
        for p in (gaps, energies)
    ]
    assert (alone[1] is not None) == has_record
    lowest = min(value for value in alone if value is not None)
    assert result.novelty == lowest
    cells = dict(zip(joint.headings(), joint.row(result), strict=True))
    assert cells["novelty"] == lowest


@pytest.mark.filterwarnings("ignore::UserWarning")  # elements it has not seen
def test_orderings_are_the_fewest_and_misfit_the_largest(
    small_predictor, mixed_salt
) -> None:
    """Models with cells of other sizes order a disordered crystal differently."""
    mixed_salt.replace_species(
        {"Na": {"Na": 0.9, "K": 0.1}, "K": {"Na": 0.9, "K": 0.1}}
    )
    energy = other_predictor(small_predictor)
    models = {
        name: Predictor(
            predictor.model,
            predictor.description,
            data=DataConfig(disorder="sample", orderings=n, max_atoms=max_atoms),
        )
        for name, predictor, n, max_atoms in [
            ("gaps", small_predictor, 4, 40),
            ("energies", energy, 4, 8),
        ]
    }
    spreads = [
        next(predictor.predict_records(read_inputs([mixed_salt]))).spread
        for predictor in models.values()
    ]
    assert spreads[0].misfit < spreads[1].misfit
    assert spreads[0].orderings > spreads[1].orderings
    for names in (["gaps", "energies"], ["energies", "gaps"]):
        joint = JointPredictor({name: models[name] for name in names})
        [result] = joint.predict_records(read_inputs([mixed_salt]))
        assert result.spread.misfit == spreads[1].misfit
        assert result.spread.orderings == spreads[1].orderings
