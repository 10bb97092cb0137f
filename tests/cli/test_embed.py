import json

import numpy as np

from pyg_sitenet.file_locks import locked_file


def test_embeddings_are_written_with_their_counts(sitenet, run, crystals, tmp_path):
    output = tmp_path / "vectors.npz"
    done = sitenet("embed", run, crystals, "--output", output, "--json")
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    with np.load(output, allow_pickle=False) as file:
        vectors = dict(file)
    assert result["crystals"] == len(vectors["crystals"]) == 40
    assert result["sites"] == len(vectors["sites"])
    assert (tmp_path / "vectors.npz_failures.csv").read_text().count("\n") == 1


def test_second_process_on_a_file_is_refused(sitenet, run, crystals, tmp_path):
    output = tmp_path / "vectors.npz"
    with locked_file(output):
        done = sitenet("embed", run, crystals, "--output", output)
    assert done.exit_code == 1
    assert "vectors.npz: another process is writing it; wait for its" in done.stderr
    assert not output.exists()


def test_wrong_ending_is_one_line(sitenet, run, crystals, tmp_path):
    done = sitenet("embed", run, crystals, "--output", tmp_path / "vectors.csv")
    assert done.exit_code == 1
    assert "name it *.npz" in done.stderr


def test_arrays_and_failures_of_others_are_not_overwritten(
    sitenet, run, crystals, tmp_path
):
    structure = next(crystals.glob("*.cif"))
    words = ("embed", run, structure, "--output")
    for _ in range(2):  # those of an earlier time are
        done = sitenet(*words, tmp_path / "mine.npz")
        assert done.exit_code == 0, done.output
        assert "1 crystal with" in done.stdout
    other = tmp_path / "phonons.npz"
    np.savez(other, frequencies=np.ones(3))
    table = tmp_path / "vectors.npz_failures.csv"
    table.write_text("id,why\na,b\n")
    for output, file in ((other, other), (tmp_path / "vectors.npz", table)):
        before = file.read_bytes()
        done = sitenet(*words, output)
        assert done.exit_code == 1
        assert f"{file.name}: holds something other than " in done.stderr
        assert done.stderr.count("\n") == 1
        assert file.read_bytes() == before
    assert not (tmp_path / "vectors.npz").exists()
