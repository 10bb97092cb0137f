"""The page in a real browser: it is clicked, moved, measured, and must not complain."""

from __future__ import annotations

import math
import os
import re
import shutil
import subprocess
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from pyg_sitenet.report import collect, write_report

playwright = pytest.importorskip(
    "playwright.sync_api", reason="no playwright: pip install -e '.[dev]'"
)
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-unsafe-swiftshader",  # draws in 3-D without a graphics card
)
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 300_000  # ms: a busy machine draws slowly
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1100, "height": 900}
RING = (213, 94, 0)  # colour of what marks the site that attends
# What an atom's place on the screen is, by the matrices that plotly draws it with.
PLACE_OF_ATOM = """
(wanted) => {
  const scene = document.getElementById("crystal-scene");
  const drawn = scene._fullLayout.scene._scene;
  const { model, view, projection } = drawn.glplot.cameraParams;
  const times = (m, v) => [0, 1, 2, 3].map(
    (i) => m[i] * v[0] + m[4 + i] * v[1] + m[8 + i] * v[2] + m[12 + i] * v[3]);
  const box = drawn.container.getBoundingClientRect();
  const found = [];
  for (const trace of scene.data) {
    if (trace.mode !== "markers") continue;
    trace.customdata.forEach((site, k) => {
      const scale = drawn.dataScale;
      const point = [trace.x[k] * scale[0], trace.y[k] * scale[1],
        trace.z[k] * scale[2], 1];
      const [x, y, , w] = times(projection, times(view, times(model, point)));
      found.push({ site, x: box.x + (x / w + 1) / 2 * box.width,
        y: box.y + (1 - y / w) / 2 * box.height });
    });
  }
  return found;
}
"""


def is_browser(path):
    """Whether it says its version: Ubuntu's command only tells how to get one."""
    if not path:
        return False
    try:
        return not subprocess.run([path, "--version"], capture_output=True).returncode
    except OSError:
        return False


def installed_browser(driver):
    if named := os.environ.get("CHROMIUM"):
        return named
    result = [*map(shutil.which, NAMES), driver.chromium.executable_path]
    return next(filter(is_browser, result), None)


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        path = installed_browser(driver)
        if path is None:
            pytest.skip("no browser: install chromium, or name one by CHROMIUM")
        opened = driver.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield opened
        opened.close()


class Watch:
    """A page on the screen, and everything that it says or asks for."""

    def __init__(self, browser, file, size):
        self.page = browser.new_page(viewport=size)
        self.page.set_default_timeout(PATIENCE)
        self.errors, self.requests = [], []
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.url = file.as_uri()
        self.page.goto(self.url)
        self.page.wait_for_function(
            "document.querySelector('#crystal-scene .gl-container')"
        )

    def _hear(self, message):
        if message.type in ("error", "trace"):  # plotly warns by traces
            self.errors.append(message.text)

    def text(self, selector):
        return self.page.locator(selector).inner_text()

    def colors(self):
        """Colour value of each atom, those of each element apart."""
        return self.page.evaluate(
            "document.getElementById('crystal-scene').data"
            ".filter((one) => one.mode === 'markers').map((one) => one.marker.color)"
        )

    def picture(self):
        """Pixels of the atoms without legend and labels, when they stand still."""
        self.page.mouse.move(0, 0)
        last = None
        for _ in range(60):
            self.page.wait_for_timeout(500)
            shot = self.page.locator("#crystal-scene #scene").screenshot()
            if shot == last:
                return np.asarray(Image.open(BytesIO(shot)).convert("RGB"))
            last = shot
        raise AssertionError("the atoms do not stand still")


@pytest.fixture(scope="module")
def file(make_predictor, made_entries, analyse, tmp_path_factory):
    content = collect(
        make_predictor(), analyse(make_predictor(), made_entries), made_entries,
        title="gap",
    )  # fmt: skip
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(path, content)
    return path


@pytest.fixture(scope="module")
def opened(browser, file):
    return Watch(browser, file, DESK)


@pytest.fixture
def watch(opened):
    """The page as it was when it was opened."""
    for control, value in (("crystal", 0), ("block", 1), ("head", 0)):
        opened.page.select_option(f"#{control}", index=value)
    return opened


def test_page_draws_all_and_says_and_asks_nothing(watch):
    plots = watch.page.locator("figure .plot")
    for number in range(plots.count()):
        assert plots.nth(number).locator(".main-svg").count() > 0
    assert plots.count() == 8
    assert watch.requests == [watch.url]
    assert watch.errors == []


def assert_drawn_anew(before, after):
    for picture in (before, after):
        assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 30
        assert (picture == RING).all(axis=-1).sum() > 100
    assert (before != after).any(axis=-1).mean() > 0.01


def room_around(atoms):
    """Tell how far on the screen the next atom is."""

    def room(site):
        others = [other for other in atoms if other is not site]
        return min(math.dist((site["x"], site["y"]), (o["x"], o["y"])) for o in others)

    return room


def test_clicked_atom_becomes_the_site_that_attends(watch):
    before = watch.text("#chosen")
    assert before.startswith("Site 1 ")
    colors, picture = watch.colors(), watch.picture()
    atoms = watch.page.evaluate(PLACE_OF_ATOM)
    target = max((item for item in atoms if item["site"] != 0), key=room_around(atoms))
    watch.page.mouse.move(target["x"] - 3, target["y"])
    watch.page.mouse.move(target["x"], target["y"], steps=3)
    watch.page.wait_for_timeout(500)
    # As long as a finger: plotly looks at the button once a frame.
    watch.page.mouse.down()
    watch.page.wait_for_timeout(500)
    watch.page.mouse.up()
    watch.page.wait_for_function(
        "(text) => document.getElementById('chosen').textContent !== text", arg=before
    )
    assert watch.text("#chosen").startswith(f"Site {target['site'] + 1} ")
    assert watch.page.locator("#site").input_value() == str(target["site"])
    assert watch.colors() != colors
    assert_drawn_anew(picture, watch.picture())
    assert watch.errors == []


@pytest.mark.parametrize("control", ["site", "block", "head"])
def test_site_block_and_head_change_the_colours(watch, control):
    before = watch.colors()
    options = watch.page.locator(f"#{control} option").count()
    now = int(watch.page.locator(f"#{control}").input_value())
    watch.page.select_option(f"#{control}", index=options - 1 - now)
    assert watch.colors() != before
    assert watch.errors == []


def test_slider_leaves_near_atoms_alone(watch):
    slider, picture = watch.page.locator("#distance"), watch.picture()
    all_atoms = sum(len(color) for color in watch.colors())
    slider.fill("2.5")
    near = sum(len(color) for color in watch.colors())
    assert 0 < near < all_atoms
    assert f"attends to {near} of {all_atoms} atoms shown" in watch.text("#chosen")
    distances = watch.page.locator(
        "#neighbours tbody td:nth-child(2)"
    ).all_inner_texts()
    assert max(map(float, distances)) <= 2.5
    assert_drawn_anew(picture, watch.picture())


def test_table_counts_equal_atoms_together(watch):
    watch.page.select_option("#crystal", label="NaCl, salt")
    watch.page.select_option("#site", index=0)
    rows = [
        row.split("\t")
        for row in watch.page.locator("#neighbours tbody tr").all_inner_texts()
    ]
    shells = {(atom, distance): int(number) for atom, distance, number, *_ in rows}
    assert shells["1 Na", "0.00"] == 1
    assert shells["2 Cl", "2.82"] == 6
    assert shells["1 Na", "3.99"] == 12
    for _, _, number, each, _ in rows:
        assert int(number) * float(each) <= 1


def test_worst_prediction_opens_in_three_dimensions(watch):
    watch.page.select_option("#crystal", index=2)
    watch.page.locator("button.look").first.click()
    assert watch.page.locator("#crystal").input_value() == "0"
    assert "gap [eV]: 100" in watch.text("#values")


def test_colour_is_not_alone_and_fit_for_every_eye(watch):
    markers = watch.page.evaluate(
        "document.getElementById('crystal-scene').data"
        ".filter((one) => one.mode === 'markers').map((one) => one.marker)"
    )
    assert len({marker["symbol"] for marker in markers}) == len(markers) > 1
    for marker in markers:
        assert marker["colorscale"] == "Cividis"
        pairs = sorted(zip(marker["color"], marker["size"], strict=True))
        assert [size for _, size in pairs] == sorted(marker["size"])


def test_menu_shows_a_head_with_its_correlation(watch):
    plot = watch.page.locator("figure .plot").last
    points = "(plot) => Array.from(plot._fullData[0].y)"
    before = plot.evaluate(points), plot.locator(".annotation-text").text_content()
    assert re.search(r"r = -?[01]\.\d\d\s*Spearman -?[01]\.\d\d", before[1])
    plot.locator(".updatemenu-header").click()
    plot.locator(".updatemenu-dropdown-button").last.click()
    after = plot.evaluate(points), plot.locator(".annotation-text").text_content()
    assert len(after[0]) == len(before[0]) == 3
    assert after[0] != before[0]
    assert watch.errors == []


def test_no_button_sends_data_away(watch):
    titles = watch.page.locator(".modebar-btn").evaluate_all(
        "(buttons) => buttons.map((one) => one.dataset.title || '')"
    )
    assert len(titles) > 10
    assert not [
        title for title in titles if re.search("share|cloud|server|studio", title, re.I)
    ]


def test_phone_needs_no_sideways_scrolling(browser, file):
    watch = Watch(browser, file, PHONE)
    width = watch.page.evaluate("document.documentElement.scrollWidth")
    assert width <= PHONE["width"]
    for plot in watch.page.locator(".plot").all():
        box = plot.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"]
    for control in ("crystal", "site", "block", "head", "distance"):
        assert watch.page.locator(f"#{control}").bounding_box()["height"] >= 40
    watch.page.locator("figure .plot").last.hover()
    watch.page.locator(".updatemenu-header").last.click()  # nothing covers it
    assert watch.page.locator(".updatemenu-dropdown-button").count() == 5


def test_hostile_names_run_nothing(
    browser, make_predictor, hostile_entries, analyse, tmp_path
):
    (target,) = hostile_entries[0].targets
    predictor = make_predictor(target=target, unit=target)
    result = analyse(predictor, hostile_entries)
    content = collect(predictor, result, hostile_entries, title=target)
    write_report(tmp_path / "hostile.html", content)
    watch = Watch(browser, tmp_path / "hostile.html", DESK)
    assert watch.page.evaluate("window.hacked") is None
    assert watch.page.locator("img[onerror], main b").count() == 0
    assert "<b>" in watch.page.locator("#crystal").inner_text()
    assert watch.requests == [watch.url]
    assert watch.errors == []
