"""What is promised about the installed package: its files, its names, its speed."""

import ast
import re
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

import pyg_sitenet

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
# Of the standard library, newer than the lowest Python that is supported.
NEWER = {
    ("typing", "LiteralString"), ("typing", "Never"), ("typing", "NotRequired"),
    ("typing", "Required"), ("typing", "Self"), ("typing", "TypeVarTuple"),
    ("typing", "Unpack"), ("typing", "assert_never"), ("typing", "override"),
    ("contextlib", "chdir"), ("datetime", "UTC"), ("enum", "StrEnum"),
    ("hashlib", "file_digest"), ("itertools", "batched"), ("math", "cbrt"),
    ("math", "exp2"), ("operator", "call"), ("warnings", "deprecated"),
}  # fmt: skip
IMPORTED_AS = {
    "sklearn": "scikit-learn",
    "torch_geometric": "torch-geometric",
    "yaml": "pyyaml",
}


def run_python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def data_files() -> set[str]:
    files = (path for path in (ROOT / "pyg_sitenet").rglob("*") if path.is_file())
    resources = (path for path in files if path.suffix not in (".py", ".pyc"))
    return {path.relative_to(ROOT).as_posix() for path in resources}


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names inside a wheel that was built from a copy of the sources."""
    source = tmp_path_factory.mktemp("source")
    skip = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for folder in ("pyg_sitenet", "cli"):
        shutil.copytree(ROOT / folder, source / folder, ignore=skip)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = "from setuptools import build_meta; build_meta.build_wheel('dist')"
    done = subprocess.run(
        [sys.executable, "-c", build],
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = (source / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_every_package_folder_is_listed():
    folders = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in (ROOT / "pyg_sitenet").rglob("__init__.py")
    }
    listed = PROJECT["tool"]["setuptools"]["packages"]
    assert sorted(folders | {"pyg_sitenet.cli"}) == sorted(listed)


def test_every_module_lies_in_a_package():
    modules = (ROOT / "pyg_sitenet").rglob("*.py")
    assert [
        path for path in modules if not (path.parent / "__init__.py").exists()
    ] == []


def test_wheel_holds_every_module_and_data_file(wheel_names: set[str]):
    modules = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "pyg_sitenet").rglob("*.py")
    }
    commands = {f"pyg_sitenet/cli/{p.name}" for p in (ROOT / "cli").glob("*.py")}
    assert modules | commands | data_files() <= wheel_names
    assert "pyg_sitenet/py.typed" in wheel_names


def test_wheel_does_not_install_a_package_called_cli(wheel_names: set[str]):
    top = {name.split("/")[0] for name in wheel_names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"pyg_sitenet"}


def test_version_is_that_of_the_project():
    assert pyg_sitenet.__version__ == PROJECT["project"]["version"]
    assert metadata.version("pyg-sitenet") == pyg_sitenet.__version__


def test_every_dependency_has_a_lower_bound_and_a_tested_version():
    pinned = {
        re.split(r"[=;]", line)[0].strip().lower()
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if "==" in line and not line.startswith("#")
    }
    project = PROJECT["project"]
    extras = project["optional-dependencies"]
    for requirement in project["dependencies"] + extras["dev"] + extras["docs"]:
        name, bound = requirement.replace("[python]", "").split(">=")
        assert bound
        assert name.lower() in pinned


def test_exactly_what_is_imported_is_declared():
    declared = {line.split(">=")[0] for line in PROJECT["project"]["dependencies"]}
    files = (*(ROOT / "pyg_sitenet").rglob("*.py"), *(ROOT / "cli").glob("*.py"))
    nodes = [n for f in files for n in ast.walk(ast.parse(f.read_text("utf-8")))]
    names = {a.name for n in nodes if isinstance(n, ast.Import) for a in n.names}
    names |= {n.module for n in nodes if isinstance(n, ast.ImportFrom) and not n.level}
    modules = {name.split(".")[0] for name in names} - sys.stdlib_module_names
    imported = {IMPORTED_AS.get(name, name) for name in modules - {"pyg_sitenet"}}
    imported |= {"tensorboard"}  # Lightning imports it for us
    extras = PROJECT["project"]["optional-dependencies"]
    lines = extras["ray"] + extras["gpu-tests"]
    declared |= {re.split(r"[\[>]", line)[0] for line in lines}
    assert imported == declared


def test_no_newer_python_is_needed_than_is_said():
    assert PROJECT["project"]["requires-python"] == ">=3.10"
    files = (*(ROOT / "pyg_sitenet").rglob("*.py"), *(ROOT / "cli").glob("*.py"))
    used = set()
    for node in (n for f in files for n in ast.walk(ast.parse(f.read_text("utf-8")))):
        if isinstance(node, ast.Import):
            used |= {(alias.name, "") for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            used |= {(node.module, alias.name) for alias in node.names}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            used.add((node.value.id, node.attr))
    assert used & (NEWER | {("tomllib", "")}) == set()


def test_every_public_name_can_be_imported():
    for name in pyg_sitenet.__all__:
        assert getattr(pyg_sitenet, name) is not None
    assert set(pyg_sitenet.__all__) == {*pyg_sitenet._MODULES, "__version__"}


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'SiteNett'"):
        _ = pyg_sitenet.SiteNett


@pytest.mark.parametrize("module", ["pyg_sitenet", "pyg_sitenet.cli.main"])
def test_import_does_not_wait_for_heavy_libraries(module: str):
    heavy = {
        "torch",
        "torch_geometric",
        "pymatgen",
        "ase",
        "lightning",
        "pandas",
        "ray",
    }
    code = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
    assert run_python(code).strip() == "[]"


def test_command_is_installed_as_sitenet():
    (script,) = metadata.entry_points(group="console_scripts", name="sitenet")
    assert script.value == "pyg_sitenet.cli.__main__:run"


def test_tests_that_the_security_page_names_are_there() -> None:
    page = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    paths = set(re.findall(r"`(tests/[^`:]+)", page))
    assert len(paths) > 10
    assert {path for path in paths if not (ROOT / path).exists()} == set()
