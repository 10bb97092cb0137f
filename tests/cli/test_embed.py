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
    assert (tmp_path / "vectors_failures.csv").read_text().count("\n") == 1


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
