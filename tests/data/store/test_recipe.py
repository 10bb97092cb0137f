"""Settings survive their description; a key stands for content and settings."""

import json
from dataclasses import replace

import pytest

from pyg_sitenet.config import DataConfig
from pyg_sitenet.data.sources import open_source
from pyg_sitenet.data.store.reader import read_index
from pyg_sitenet.data.store.recipe import Recipe
from pyg_sitenet.errors import ConfigError, DataError

CIF = """data_{name}
_cell_length_a {length}
_cell_length_b {length}
_cell_length_c {length}
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Cs1 Cs 0 0 0
Cl1 Cl 0.5 0.5 0.5
"""


@pytest.fixture
def folder(tmp_path):
    """Three cells of caesium chloride."""
    folder = tmp_path / "cifs"
    folder.mkdir()
    for k in range(3):
        text = CIF.format(name=f"c{k}", length=4.1 + 0.1 * k)
        (folder / f"c{k}.cif").write_text(text)
    (folder / "table.csv").write_text("file,gap\nc0.cif,1\nc1.cif,2\nc2.cif,3\n")
    return folder


@pytest.fixture
def recipe(folder):
    config = DataConfig(source=str(folder), targets=("gap",), max_atoms=8, workers=1)
    return Recipe.from_config(config, open_source)


def test_description_gives_the_recipe_back(recipe):
    values = json.loads(json.dumps(recipe.description()))
    again = Recipe.from_description(values, open_source)
    assert again.description() == recipe.description()
    assert again.key(again.open().digest()) == recipe.key(recipe.open().digest())


def test_description_of_own_functions_gives_no_recipe(recipe):
    encoder = replace(recipe.encoder, pre_filter=len)
    values = replace(recipe, encoder=encoder).description()
    with pytest.raises(ConfigError, match="take the source they were encoded from"):
        Recipe.from_description(values, open_source)


@pytest.mark.parametrize(
    "change",
    [
        {"max_atoms": 9},
        {"environment": "sphere"},
        {"primitive_tolerance": 0.2},
        {"merge": False},
        {"disorder": "sample"},
        {"time_limit": 5.0},
        {"split": "group:file"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_key_changes_with_each_setting(recipe, folder, change):
    values = {"source": str(folder), "targets": ("gap",), "max_atoms": 8} | change
    other = Recipe.from_config(DataConfig(**values), open_source)
    assert other.key(recipe.open().digest()) != recipe.key(recipe.open().digest())


def test_key_stays_where_the_graphs_would_be_the_same(recipe, folder, tmp_path):
    moved = folder.rename(tmp_path / "moved")
    other = replace(recipe, source=moved, workers=3)
    # Seeds and numbers of orderings decide nothing while disorder is refused.
    encoder = replace(recipe.encoder, disorder_seed=7, orderings=3)
    other = replace(other, encoder=encoder)
    key = other.key(other.open().digest())
    moved.rename(folder)
    assert key == recipe.key(recipe.open().digest())


def test_damaged_shard_is_rebuilt_to_the_byte(recipe, tmp_path):
    source = recipe.open()
    recipe.build(tmp_path / "set", source)
    (name,) = read_index(tmp_path / "set").names
    content = (tmp_path / "set" / name).read_bytes()
    (tmp_path / "set" / name).unlink()
    repair = recipe.repair_of(tmp_path / "set", recipe.key(source.digest()))
    assert repair(0) == name
    assert (tmp_path / "set" / name).read_bytes() == content


def test_changed_source_rebuilds_nothing(recipe, folder, tmp_path):
    repair = recipe.repair_of(tmp_path / "set", recipe.key(recipe.open().digest()))
    (folder / "c0.cif").unlink()
    with pytest.raises(DataError, match=r"part 4 .*cifs has changed since; delete"):
        repair(4)
