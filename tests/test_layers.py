"""Imports go one way, and CONTRIBUTING tells which.

The folder ``cli`` is put into a copy of the package, where it is when installed.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

ROOT = Path(__file__).parents[1]
LINT = "from importlinter.cli import lint_imports_command as lint; lint()"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the modules of the package, laid out as installed."""

    def other_files(folder: str, names: list[str]) -> set[str]:
        paths = (Path(folder, name) for name in names)
        return {p.name for p in paths if p.is_file() and p.suffix != ".py"}

    package = tmp_path / "pyg_sitenet"
    shutil.copytree(ROOT / "pyg_sitenet", package, ignore=other_files)
    shutil.copytree(ROOT / "cli", package / "cli", ignore=other_files)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint_imports(tree: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-c", LINT, "--no-cache"],
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def layers(container: str) -> list[str]:
    """Modules of a folder in the order of its contract, lowest first."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = (
        contract
        for contract in project["tool"]["importlinter"]["contracts"]
        if contract.get("containers") == [container]
    )
    return [layer.strip("()") for layer in reversed(contract["layers"])]


def table() -> list[str]:
    """Modules and folders of the table in CONTRIBUTING, as paths without suffix."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    names = re.findall(r"^\| `([\w/]+)(?:/|\.py)` \| .+ \|$", text, re.MULTILINE)
    return [name.rstrip("/") for name in names]


def test_imports_go_downward_and_in_no_circle(tree: Path):
    code, output = lint_imports(tree)
    assert code == 0, output
    assert "Contracts: 4 kept, 0 broken" in output


@pytest.mark.parametrize(
    ("module", "line"),
    [
        pytest.param(
            "data/geometry/lattice.py", "import pyg_sitenet.nn.layers", id="upward"
        ),
        pytest.param(
            "data/geometry/lattice.py",
            "from pyg_sitenet.data.structure.load import load_structure",
            id="upward inside data",
        ),
        pytest.param(
            "nn/layers.py",
            "from typing import TYPE_CHECKING\n"
            "if TYPE_CHECKING:\n    from pyg_sitenet.training.train import train",
            id="for its type alone",
        ),
        pytest.param(
            "workers/pool.py",
            "def late():\n    import pyg_sitenet.data.dataset",
            id="inside a function",
        ),
        pytest.param(
            "training/loading.py", "import pyg_sitenet.cli.main", id="a command"
        ),
        pytest.param(
            "training/loop/meter.py",
            "import pyg_sitenet.training.loop.fit",
            id="circle",
        ),
        pytest.param("nn/layers.py", "from pyg_sitenet import SiteNet", id="package"),
        pytest.param("newcomer.py", "", id="a module without a place"),
    ],
)
def test_import_that_breaks_the_order_is_reported(tree: Path, module: str, line: str):
    with (tree / "pyg_sitenet" / module).open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    code, output = lint_imports(tree)
    assert code == 1
    assert Path(module).stem in output.split("Broken contracts")[1]


def test_table_in_contributing_has_the_order_of_the_contracts():
    names = table()
    assert [name for name in names if "/" not in name] == layers("pyg_sitenet")
    inside = [name.removeprefix("data/") for name in names if name.startswith("data/")]
    assert [name for name in inside if "/" not in name] == layers("pyg_sitenet.data")


def test_table_in_contributing_names_every_folder_once():
    package = ROOT / "pyg_sitenet"
    folders = {
        path.parent.relative_to(package).as_posix()
        for path in package.rglob("__init__.py")
    } - {"."}
    names = table()
    assert folders - set(names) == set()
    assert len(names) == len(set(names))
    paths = [package / name for name in names if name != "cli"]
    missing = [p for p in paths if not p.is_dir() and not p.with_suffix(".py").exists()]
    assert missing == []


def test_picture_shows_the_table(tmp_path: Path):
    script, picture = ROOT / "scripts" / "draw_map.py", tmp_path / "map.svg"
    subprocess.run([sys.executable, str(script), "--output", str(picture)], check=True)
    drawn = picture.read_text(encoding="utf-8")
    assert drawn == (ROOT / "docs" / "map.svg").read_text(encoding="utf-8")
    assert all(f">{name}/<" in drawn or f">{name}.py<" in drawn for name in table())
