"""The structure tasks of Matbench v0.1: what they are, and their official folds."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pyg_sitenet.cache_folder import cache_folder
from pyg_sitenet.data.readers.named.download import download
from pyg_sitenet.errors import DataError

URL_VARIABLE = "PYG_SITENET_MATBENCH_URL"
_PUBLIC_URL = "https://ml.materialsproject.org/projects"

NUM_FOLDS = 5
_FOLD_SEED = 18012019

Fold = tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class MatbenchTask:
    """A task of Matbench whose input are crystal structures.

    Args:
        name: Official name, such as ``matbench_phonons``.
        target: What is predicted: the column of the official file.
        unit: Its unit; empty for a number without dimension.
        num_crystals: How many crystals the task has.
        sha256: Checksum of the official file, as matminer publishes it.
        kind: ``"regression"`` or ``"classification"``.

    Reference:
        A. Dunn et al., Benchmarking materials property prediction methods: the Matbench
        test set and Automatminer reference algorithm, npj Comput. Mater. 6, 138 (2020),
        doi:10.1038/s41524-020-00406-3
    """

    name: str
    target: str
    unit: str
    num_crystals: int
    sha256: str
    kind: Literal["regression", "classification"] = "regression"

    @property
    def url(self) -> str:
        """Address of the official file."""
        base = os.environ.get(URL_VARIABLE, _PUBLIC_URL).rstrip("/")
        return f"{base}/{self.name}.json.gz"

    @property
    def path(self) -> Path:
        """Where the downloaded file is kept."""
        return cache_folder() / "matbench" / f"{self.name}.json.gz"

    def id_of_row(self, row: int) -> str:
        """Return the official id of a row of the file, counted from 0."""
        prefix = self.name.replace("matbench", "mb").replace("_", "-")
        return f"{prefix}-{row + 1:0{len(str(self.num_crystals))}d}"

    def download(self) -> Path:
        """Return the official file, downloaded if it is not there yet.

        Raises:
            DataError: If it cannot be downloaded; says what to do without a network.
        """
        try:
            return download(self.url, self.path, self.sha256)
        except DataError as error:
            raise DataError(
                f"{error}; without a network, get the file elsewhere and give it with "
                f"--data-file FILE, or as {self.name}:FILE"
            ) from error

    def folds(self, y: Sequence[float]) -> list[Fold]:
        """Return the official folds: for each, the rows of training and test part.

        Args:
            y: Target of every row in the order of the file; classification keeps the
                shares of the classes alike in all folds.

        Raises:
            DataError: If there are more or fewer rows than in the official file.
        """
        if len(y) != self.num_crystals:
            raise DataError(
                f"{self.name}: has {self.num_crystals} crystals, got {len(y)}; the "
                "folds need the whole file in its order"
            )
        from sklearn.model_selection import KFold, StratifiedKFold  # takes a second

        settings = {"n_splits": NUM_FOLDS, "shuffle": True, "random_state": _FOLD_SEED}
        is_class = self.kind == "classification"
        splitter = (StratifiedKFold if is_class else KFold)(**settings)
        rows = np.arange(self.num_crystals)
        return [(train, test) for train, test in splitter.split(rows, np.asarray(y))]


_DIELECTRIC = "83befa09bc2ec2f4b6143afc413157827a90e5e2e42c1eb507ccfa01bf26a1d6"
_JDFT2D = "26057dc4524e193e32abffb296ce819b58b6e11d1278cae329a2f97817a4eddf"
_LOG_GVRH = "098af941f4c663270f1fe21abf20ffad6fb85ecbfcba5786ceac03983ac29da7"
_LOG_KVRH = "44b113ddb7e23aa18731a62c74afa7e5aa654199e0db5f951c8248a00955c9cd"
_MP_E_FORM = "dedcb1d4ba2e3e50dbdd45ba5bc647a00e9c2bcf8f8bf556dc8e92caa39eb21f"
_MP_GAP = "58b65746bd88329986ed66031a2ac1369c7c522f7bc9f9081528e07097c2c057"
_MP_IS_METAL = "9a028ed5750a4c76ca36e9f3c8d48fe0bf3fb21b76ec2289e58ae7048d527919"
_PEROVSKITES = "4641e2417f8ec8b50096d2230864468dfa08278dc9d257c327f65d0305278483"
_PHONONS = "4db551f21ec5f577e6202725f10e34dfc509aa7df3a6bdaac497da7f6dbbb9b3"

MATBENCH = {
    task.name: task
    for task in (
        MatbenchTask("matbench_dielectric", "n", "", 4764, _DIELECTRIC),
        MatbenchTask("matbench_jdft2d", "exfoliation_en", "meV/atom", 636, _JDFT2D),
        MatbenchTask(
            "matbench_log_gvrh", "log10(G_VRH)", "log10(GPa)", 10987, _LOG_GVRH
        ),
        MatbenchTask(
            "matbench_log_kvrh", "log10(K_VRH)", "log10(GPa)", 10987, _LOG_KVRH
        ),
        MatbenchTask("matbench_mp_e_form", "e_form", "eV/atom", 132752, _MP_E_FORM),
        MatbenchTask("matbench_mp_gap", "gap pbe", "eV", 106113, _MP_GAP),
        MatbenchTask(
            "matbench_mp_is_metal",
            "is_metal",
            "",
            106113,
            _MP_IS_METAL,
            "classification",
        ),
        MatbenchTask(
            "matbench_perovskites", "e_form", "eV/unit cell", 18928, _PEROVSKITES
        ),
        MatbenchTask("matbench_phonons", "last phdos peak", "cm^-1", 1265, _PHONONS),
    )
}


def find_task(name: str) -> MatbenchTask:
    """Return the task of a name, with or without ``matbench_`` before it.

    Raises:
        DataError: If there is none; names those there are.
    """
    task = MATBENCH.get(name) or MATBENCH.get(f"matbench_{name}")
    if task is None:
        raise DataError(
            f"{name}: no structure task of Matbench (there are {', '.join(MATBENCH)})"
        )
    return task
