import json
from pathlib import Path

import numpy as np
import pytest
import torch

from pyg_sitenet.prediction import load_predictor

HERE = Path(__file__).parents[1]
SETTINGS = """
attention_heads: 3
site_dim_per_head: 30
attention_dim_interaction: 16
attention_blocks: 2
attention_hidden_layers: [225]
pre_pool_layers: [94]
post_pool_layers: [200, 200, 200]
embedding_size: 92
activation_function: mish
set_norm: layer
sym_func: mean
last_af_func: TReLU
label: paper
"""


def test_converted_model_predicts(sitenet, tmp_path, nacl):
    arrays = np.load(HERE / "reference" / "state_rand.npz")
    state = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    torch.save({"state_dict": state}, tmp_path / "best.ckpt")
    (tmp_path / "paper.yaml").write_text(SETTINGS)
    words = ["convert", tmp_path / "best.ckpt", tmp_path / "paper.yaml"]
    words += ["--output", tmp_path / "gap.safetensors", "--max-atoms", "50"]
    done = sitenet(*words)
    assert done.exit_code == 0, done.output
    assert "292997 parameters" in done.output
    assert "Settings without use here: label" in done.output
    predictor = load_predictor(tmp_path / "gap.safetensors")
    [value] = predictor.predict(nacl)["band_gap [eV]"]
    reference = json.loads((HERE / "reference" / "predictions.json").read_text())
    expected = reference["single"]["NaCl/50"]["pred_f32"]  # of a cell of 5.64 A
    assert value == pytest.approx(expected, abs=1e-3)


def test_file_that_is_no_checkpoint_ends_with_one_line(sitenet, tmp_path):
    (tmp_path / "a.ckpt").write_text("hello")
    (tmp_path / "paper.yaml").write_text(SETTINGS)
    words = ["convert", tmp_path / "a.ckpt", tmp_path / "paper.yaml", "--output", "x"]
    done = sitenet(*words)
    assert done.exit_code == 1
    assert len(done.stderr.strip().splitlines()) == 1
