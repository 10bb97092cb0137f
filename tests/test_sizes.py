"""No folder, module or function grows beyond what is read at one sitting."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
MODULES = sorted([*ROOT.glob("pyg_sitenet/**/*.py"), *ROOT.glob("cli/*.py")])
MOST_MODULES, MOST_LINES, LONGEST_FUNCTION = 15, 250, 45


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring."""
    text = ast.get_docstring(function, clean=False)
    lines = (function.end_lineno or 0) - function.lineno + 1
    return lines - (0 if text is None else text.count("\n") + 1)


def test_no_folder_has_more_modules_than_a_screen_shows():
    folders = {path.parent for path in MODULES} - {ROOT / "cli"}
    counts = {
        name(folder): sum(path.name != "__init__.py" for path in folder.glob("*.py"))
        for folder in folders
    }
    large = {folder for folder, count in counts.items() if count > MOST_MODULES}
    assert large == set()


def test_no_module_is_longer_than_250_lines():
    lengths = {
        name(path): len(path.read_text(encoding="utf-8").splitlines())
        for path in MODULES
    }
    long = {path for path, lines in lengths.items() if lines > MOST_LINES}
    assert long == set()


def test_no_function_is_longer_than_45_lines():
    long = {
        f"{name(path)}: {function.name}"
        for path in MODULES
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        and length(function) > LONGEST_FUNCTION
    }
    assert long == set()
