"""A model with random weights and a table of many small crystals."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from pyg_sitenet.config import Config, DataConfig, ModelConfig
from pyg_sitenet.model_file import ModelDescription
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.prediction import Predictor

CONFIG = Config(
    data=DataConfig(max_atoms=8, environment="sphere", max_sites=10),
    model=ModelConfig(
        heads=2, attention_hidden=(8,), pre_pool=(8,), post_pool=(8,), blocks=1
    ),
)
SALT = [[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]]


@pytest.fixture
def small_predictor() -> Predictor:
    torch.manual_seed(0)
    description = ModelDescription(
        config=CONFIG, targets=("gap",), units={"gap": "eV"}, elements=(3, 11, 17, 35)
    )
    predictor = Predictor(SiteNet(CONFIG.model), description)
    predictor.window = 16
    return predictor


@pytest.fixture
def make_table(tmp_path: Path) -> Callable[[int], Path]:
    """Write a table of so many crystals, of which every 20th cannot be used."""

    def make(count: int) -> Path:
        random = np.random.default_rng(0)
        path = tmp_path / "crystals.jsonl"
        with path.open("w", encoding="utf-8") as file:
            for number in range(count):
                edge = 0.2 if number % 20 == 7 else float(random.uniform(3.5, 6))
                species = [["Na", "Li", "K"][number % 3], ["Cl", "Br"][number % 2]]
                lattice = (edge * np.eye(3)).tolist()
                structure = {"lattice": lattice, "species": species}
                structure |= {"frac_coords": SALT}
                row = {"id": f"c{number}", "structure": structure}
                file.write(json.dumps(row) + "\n")
        return path

    return make


@pytest.fixture
def start_child() -> Callable[[Callable[[], object]], int]:
    """Run a function in a copy of this process and return the number of that."""
    if not hasattr(os, "fork"):
        pytest.skip("needs processes that are copies of this one")
    children: list[int] = []

    def start(function: Callable[[], object]) -> int:
        child = os.fork()
        if child:
            children.append(child)
            return child
        code = 1
        try:
            function()
            code = 0
        finally:
            os._exit(code)

    yield start
    for child in children:
        try:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        except (ChildProcessError, ProcessLookupError):
            pass
