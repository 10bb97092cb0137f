"""CIFs as pymatgen or ASE read them too; where neither agrees, a count by hand."""

import importlib.util
import os
import warnings
from pathlib import Path

import pytest

# Folders of CIFs, such as the test files in the sources of other packages.
FOLDERS = "PYG_SITENET_CIF_FOLDERS"
OWN = Path(__file__).parent / "cif"
SCRIPT = Path(__file__).parents[2] / "scripts" / "compare_readers.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("compare_readers", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["own", *range(20)])
def test_what_is_read_is_what_a_second_reader_reads(script, folder):
    folders = [Path(name) for name in os.environ.get(FOLDERS, "").split(":") if name]
    if folder != "own" and folder >= len(folders):
        pytest.skip(f"{FOLDERS} names no further folder of CIFs")
    different = []
    for path in script.cifs_of(OWN if folder == "own" else folders[folder]):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            judged = list(script.judged(path))
        different += [reason for column, reason in judged if column == "differs"]
    assert different == []


def test_table_counts_the_reported_files(script, capsys, tmp_path):
    for name in ("27-capital-data.cif", "09-modulated.cif", "02-hall-symbol-only.cif"):
        (tmp_path / name).write_bytes((OWN / name).read_bytes())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        script.main([str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == f"| {tmp_path.name} | 3 | 0 | 2 | 1 | 0 | 1 | 1 |"
    assert any("a modulated structure" in line for line in lines[3:])
