import functools
import pickle
import warnings

import pytest

from pyg_sitenet.config import DataConfig
from pyg_sitenet.data.graph.encoded import Encoded
from pyg_sitenet.data.graph.encoder import Encoder
from pyg_sitenet.data.graph.shipping import inline_files
from pyg_sitenet.data.graph.stream import encode_here
from pyg_sitenet.data.prepare import prepare
from pyg_sitenet.data.records import Failure
from pyg_sitenet.data.sources import Entry, open_source
from pyg_sitenet.data.structure.piece import Piece
from pyg_sitenet.errors import ConfigError
from pyg_sitenet.transforms import MergeEquivalent

ENCODER = Encoder(max_atoms=8)


def _results(items, encoder=ENCODER):
    return list(encode_here(items, encoder))


def _shipped(items, encoder=ENCODER):
    """Send items to where no file of this machine is."""
    return pickle.loads(pickle.dumps([inline_files(item, encoder) for item in items]))


def _described(results):
    """Return results without the tensors, which are compared by their values."""
    return [
        (
            result.id,
            result.warnings,
            result.origin,
            result.targets,
            result.data.edge_attr.tolist(),
        )
        if isinstance(result, Encoded)
        else result
        for result in results
    ]


@pytest.fixture
def folder(tmp_path, nacl, iron):
    """Files that can be used, that are torn, empty, and none at all."""
    place = tmp_path / "crystals"
    place.mkdir()
    nacl.to(str(place / "a.cif"))
    iron.to(str(place / "POSCAR"))
    text = (place / "a.cif").read_text()
    (place / "torn.cif").write_text(text[: len(text) // 2])
    (place / "empty.cif").write_text("")
    (place / "nowhere.cif").symlink_to(place / "missing")
    (place / "two.cif").write_text(text + text.replace("data_NaCl", "data_again"))
    return place


def test_shipped_files_give_what_the_files_give(folder):
    items = list(open_source(folder).entries())
    here = _described(_results(items))
    shipped = _shipped(items)
    for path in folder.iterdir():
        path.unlink()
    assert _described(_results(shipped)) == here
    assert sum(isinstance(first, Failure) for first in here) == 3
    assert any(
        "torn.cif" in first.reason for first in here if isinstance(first, Failure)
    )


@pytest.mark.parametrize("name", ["a.cif", "POSCAR", "torn.cif", "empty.cif"])
def test_shipped_file_alone_gives_what_the_file_gives(folder, name):
    items = list(open_source(folder / name).entries())
    here = _described(_results(items))
    shipped = _shipped(items)
    (folder / name).unlink()
    assert _described(_results(shipped)) == here


def test_piece_of_a_file_is_copied_with_its_file(folder):
    (entry,) = open_source(folder / "POSCAR").entries()
    assert isinstance(entry.content, Piece)
    assert isinstance(entry.content.read, functools.partial)
    shipped = inline_files(entry, ENCODER)
    assert isinstance(shipped, Entry)
    assert shipped.content.content == (folder / "POSCAR").read_bytes()


def test_warnings_of_a_shipped_file_name_the_file(tmp_path, nacl):
    path = tmp_path / "a.cif"
    nacl.to(str(path))
    path.write_text(path.read_text().replace("Na", "D"))
    items = list(open_source([path]).entries())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        here, there = _results(items), _results(_shipped(items))
    assert here[0].warnings
    assert here[0].warnings == there[0].warnings


def test_prepared_graphs_are_shipped_as_they_are(tmp_path, folder):
    config = DataConfig(source=str(folder), max_atoms=8)
    prepare(config, tmp_path / "prepared", targets=())
    encoder = Encoder(8, pre_transform=MergeEquivalent())
    items = list(open_source(tmp_path / "prepared").entries())
    shipped = _shipped(items, encoder)
    assert _described(_results(shipped, encoder)) == _described(
        _results(items, encoder)
    )
    # Not the whole shard with each of them.
    assert len(pickle.dumps(shipped[0])) < 8000
    with pytest.raises(ConfigError, match=r"data\.max_atoms = 8, not 9"):
        _shipped(items, Encoder(9, pre_transform=MergeEquivalent()))
