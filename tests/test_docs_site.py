"""Every page is on the site, its code runs, and it prints what the page says."""

import importlib.util
import inspect
import re
import shutil
from pathlib import Path

import pytest
import yaml
from ase.build import bulk, fcc111, surface

from pyg_sitenet import load_predictor
from pyg_sitenet.config import load_preset, override
from pyg_sitenet.nn import SiteNetConv

ROOT = Path(__file__).parents[1]
SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
USERS = ("for_materials_scientists", "for_pyg_developers", "for_script_authors")
BLOCK = re.compile(r"```python\n(.*?)```(?:\n\nprinted\n\n```text\n(.*?)```)?", re.S)
RARE_CRYSTALS = pytest.mark.filterwarnings("ignore:.*unlike the training data")
NUMBER = re.compile(r"-?\d+\.\d+")


def pages_of(entry):
    """Paths in a part of the navigation."""
    if isinstance(entry, str):
        return [entry]
    parts = entry.values() if isinstance(entry, dict) else entry
    return [page for part in parts for page in pages_of(part)]


def test_every_page_is_in_the_navigation_once():
    files = {
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "examples").rglob("*.md"),
        *(ROOT / "benchmarks").glob("*.md"),
    }
    expected = sorted(file.relative_to(ROOT).as_posix() for file in files)
    assert sorted(pages_of(SITE["nav"])) == expected


def test_pages_of_the_reference_are_of_packages_that_name_what_is_public():
    for page in (ROOT / "docs" / "api").glob("*.md"):
        (title,) = re.findall(r"^# (\S+)$", page.read_text(encoding="utf-8"), re.M)
        package = ROOT.joinpath(*title.split("."), "__init__.py")
        assert "__all__ = [" in package.read_text(encoding="utf-8")
        assert page.stem == title.removeprefix("pyg_sitenet.").replace(".", "_")


def test_table_of_settings_holds_the_values_of_the_presets():
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`(?:data|training)\..+?) \| (.+?) \| (.+?) \|", page, re.M)
    named = set()
    for words, *columns in rows:
        section, *names = re.findall(r"\w+", words)
        named |= {f"{section}.{name}" for name in names}
        for preset, text in zip(("default", "paper"), columns, strict=True):
            values = re.findall(r"\[.*?\]|[^ ,]+", text)
            settings = [
                f"{section}.{name}={value}"
                for name, value in zip(names, values, strict=True)
            ]
            config = load_preset(preset)
            assert override(config, settings) == config
    assert named == {
        f"{section}.{name}"
        for section in ("data", "training")
        for name in type(getattr(load_preset("paper"), section)).model_fields
    }


def test_table_of_the_readme_holds_what_the_ready_model_says():
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\| (.+\d to \d.+) \|$", page, re.M)
    rows = [[cell.strip() for cell in line.split("|")] for line in lines]
    files = sorted((ROOT / "examples" / "structures").glob("*.cif"))
    predictor = load_predictor("band-gap", level=0.9)
    table = predictor.predict(files)  # without a warning
    assert (
        "NaCl with edges of 0.9 of its own, or a slab of MgO or Pt with vacuum" in page
    )
    magnesia = bulk("MgO", "rocksalt", a=4.21, cubic=True)
    strange = [
        bulk("NaCl", "rocksalt", a=0.9 * 5.64),
        surface(magnesia, (1, 0, 0), 3, vacuum=30, periodic=True),
        fcc111("Pt", (1, 1, 4), vacuum=30, periodic=True),
    ]
    with pytest.warns(UserWarning, match="unlike the training data") as told:
        predictor.predict(strange)
    assert len(told) == 3
    table = table.set_index("formula")
    columns = ["band_gap [eV]", "band_gap lower [eV]", "band_gap upper [eV]", "novelty"]
    assert len(rows) == len(table)
    for crystal, _, gap, interval, novelty, _ in rows:
        shown = [float(text) for text in (gap, *interval.split(" to "), novelty)]
        values = table.loc[crystal.partition(",")[0], columns].to_list()
        assert shown == pytest.approx(values, abs=0.006)


def test_every_figure_is_in_the_gallery():
    gallery = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    shown = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", gallery)
    figures = [
        *(path.name for path in (ROOT / "docs").glob("*.*g") if path.suffix != ".md"),
        *(
            f"../examples/band_gap_analysis/{path.name}"
            for path in (ROOT / "examples" / "band_gap_analysis").glob("*.png")
        ),
    ]
    assert sorted(shown) == sorted(figures)


def test_formulas_need_no_script():
    for name in ("markdown", "pymdownx", "griffe", "mkdocs", "latex2mathml"):
        pytest.importorskip(name, reason="the extra `docs` is not installed")
    import markdown

    path = ROOT / "scripts" / "docs_site.py"
    spec = importlib.util.spec_from_file_location("docs_site", path)
    site = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(site)
    extensions = ["pymdownx.arithmatex"]
    options = {"pymdownx.arithmatex": {"generic": True}}
    for text in (
        inspect.getdoc(SiteNetConv),
        (ROOT / "docs" / "analysis.md").read_text(),
    ):
        text = site.INLINE.sub(site.inline, site.BLOCK.sub(site.fenced, text))
        page = markdown.markdown(text, extensions=extensions, extension_configs=options)
        shown = site.on_page_content(page)
        assert shown.count("<math") == page.count("arithmatex") > 2
        assert "arithmatex" not in shown
        assert not re.search(r"<m[a-z]+>(&(amp;)?|\\+)<", shown)


@RARE_CRYSTALS
@pytest.mark.parametrize("user", USERS)
def test_code_of_a_page_prints_what_the_page_says(user, tmp_path, monkeypatch, capsys):
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / f"{user}.md").read_text(encoding="utf-8")
    blocks = BLOCK.findall(page)
    assert blocks[-1][1], "the page ends in something that ran"
    names: dict[str, object] = {"__name__": user}
    for code, expected in blocks:
        exec(code, names)
        printed = capsys.readouterr().out
        assert NUMBER.sub("#", printed).split() == NUMBER.sub("#", expected).split()
        numbers = [float(number) for number in NUMBER.findall(expected)]
        approximate = pytest.approx(numbers, abs=0.11)
        assert [float(number) for number in NUMBER.findall(printed)] == approximate
