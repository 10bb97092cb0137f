"""A sample of the corpus through the command line: one line, exit code 1."""

import os

import pytest
from pymatgen.core import Lattice, Structure
from typer.testing import CliRunner

from pyg_sitenet.cli.main import app

CIF = Structure(Lattice.cubic(4.123), ["Cs", "Cl"], [[0, 0, 0], [0.5] * 3]).to(
    fmt="cif"
)
FILES = {
    "empty.cif": b"",
    "cut.cif": CIF[:300].encode(),
    "latin.cif": b"# M\xfcller\n" + CIF.encode(),
    "nan.cif": CIF.replace("0.5", "nan").encode(),
    "bytes.db": bytes(range(256)),
    "POSCAR": b"nothing",
    "molecule.xyz": b"2\n\nH 0 0 0\nF 0 0 0.92\n",
    "deep.json": b"[" * 100_000,
    "t.csv": b"id,gap\n",
    "bad.zip": b"PK\x03\x04",
    "t.jsonl": b"{'a': 1}\n",
}


@pytest.mark.parametrize("name", FILES)
def test_info_says_in_one_line_what_is_wrong(tmp_path, name):
    (tmp_path / name).write_bytes(FILES[name])
    result = CliRunner().invoke(app, ["info", str(tmp_path / name)])
    assert result.exit_code == 1
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    assert name in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_info_of_a_pipe_does_not_wait(tmp_path):
    os.mkfifo(tmp_path / "a.cif")
    result = CliRunner().invoke(app, ["info", str(tmp_path / "a.cif")])
    assert result.exit_code == 1
    assert "a.cif" in result.output


@pytest.mark.parametrize("name", FILES)
def test_training_on_it_says_in_one_line_what_is_wrong(tmp_path, name, monkeypatch):
    monkeypatch.setenv("PYG_SITENET_CACHE", str(tmp_path / "cache"))
    (tmp_path / name).write_bytes(FILES[name])
    run = [
        "train",
        str(tmp_path / name),
        "--target",
        "gap",
        "-o",
        str(tmp_path / "run"),
    ]
    result = CliRunner().invoke(app, run)
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    assert len(result.output.strip().splitlines()) == 1
