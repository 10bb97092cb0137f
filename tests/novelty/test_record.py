"""What a model file keeps of its training crystals."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk
from pydantic import ValidationError
from pymatgen.core import Structure

from pyg_sitenet import encode_structure
from pyg_sitenet.novelty import (
    Crystal,
    Features,
    Novelty,
    NoveltyMeasure,
    crystal_features,
    fit_novelty,
    sample_size,
)
from pyg_sitenet.novelty.bonds import Bonds
from pyg_sitenet.novelty.features import GEOMETRY


@pytest.fixture(scope="module")
def salts() -> list[Features]:
    """Rock salt of twenty volumes."""
    atoms = [bulk("NaCl", "rocksalt", a=edge) for edge in np.linspace(5.5, 5.8, 20)]
    crystals = [Structure.from_ase_atoms(salt) for salt in atoms]
    return [crystal_features(encode_structure(c, max_atoms=30)) for c in crystals]


@pytest.fixture(scope="module")
def record(salts: list[Features]) -> Novelty:
    vectors = np.random.default_rng(0).normal(size=(40, 4))
    crystals = [
        Crystal(salts[k % 20], vector, (), vector[:1])
        for k, vector in enumerate(vectors)
    ]
    record = fit_novelty(salts, dict(enumerate(crystals[:20])), crystals[20:])
    assert record is not None
    return record


def test_what_is_kept_is_less_than_a_megabyte(salts: list[Features]) -> None:
    """Of 10,000 crystals of three elements each, with all pairs of 80 among them."""
    random = np.random.default_rng(0)
    training = []
    for _ in range(10_000):
        elements = sorted(random.choice(range(3, 83), 3, replace=False).tolist())
        shares = {1000 * a + b: 1 / 6 for a in elements for b in elements if a != b}
        geometry = tuple(random.normal(size=3).tolist())
        bonds = Bonds(float(random.normal()), shares)
        training.append(Features(tuple(elements), geometry, bonds))
    vectors = random.normal(size=(3000, 200))
    sample = {k: Crystal(training[k], v, (), (1.0, 2.0)) for k, v in enumerate(vectors)}
    held_out = [Crystal(own, vectors[0]) for own in salts]
    record = fit_novelty(training, sample, held_out)
    assert record is not None
    assert record.bonds is not None
    assert len(record.bonds.pairs) > 3000
    assert sample_size(200) == 1400
    assert len(record.model_dump_json()) < 1e6
    assert Novelty.model_validate_json(record.model_dump_json()) == record


def test_few_held_out_crystals_say_nothing(salts: list[Features]) -> None:
    crystal = Crystal(salts[0], [0, 0])
    assert fit_novelty(salts, {0: crystal}, [crystal] * 19) is None


def test_record_without_bonds_and_values_is_read_as_it_was(
    record: Novelty, salts: list[Features]
) -> None:
    newer = {"bonds", "packing", "values"}
    older = record.model_dump(exclude=newer)
    for name, value in (("limits", 1.0), ("medians", 0.0)):
        scales = {k: v for k, v in older[name].items() if k not in newer}
        older[name] = scales | dict.fromkeys(GEOMETRY, value)
    measure = NoveltyMeasure(Novelty.model_validate(older))
    volume, _, coordination = salts[0].geometry
    apart = salts[0]._replace(geometry=(volume, 1.0, coordination))
    crystal = Crystal(apart, [0.0] * 4)
    assert measure.raw(crystal).keys() == older["limits"].keys()
    assert "further apart, for their radii" in measure.reasons(crystal)[0]


def test_record_without_packing_is_read_as_it_was(
    record: Novelty, salts: list[Features]
) -> None:
    older = record.model_dump(exclude={"packing"})
    for name, value in (("limits", 1.0), ("medians", 0.0)):
        older[name] = older[name] | {"volume": value}
    measure = NoveltyMeasure(Novelty.model_validate(older))
    spread = salts[0]._replace(geometry=(9.0, *salts[0].geometry[1:]))
    crystal = Crystal(spread, [0.0] * 4)
    assert measure.raw(crystal).keys() == older["limits"].keys() - {"packing"}
    assert "less densely than in training crystals" in measure.reasons(crystal)[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vectors": "?"}, "must be base64"),
        ({"vectors": "AAAA"}, "whole numbers of two bytes"),
        ({"vectors": "AAA="}, "whole vectors"),
        ({"values": "AAA="}, "as many as novelty.vectors"),
        ({"geometry": {}}, "geometry must have volume"),
        ({"held_out": (2.0, 1.0)}, "held_out must rise"),
        ({"medians": {"element": 0.0}}, "must have the limits of"),
        ({"spreads": (1.0,)}, "must have the limits of"),
        ({"reach": 0.5}, "greater than or equal to 1"),
    ],
)
def test_damaged_record_is_refused(
    record: Novelty, change: dict[str, object], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        Novelty.model_validate(record.model_dump() | change)
