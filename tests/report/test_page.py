import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from pyg_sitenet.errors import DataError
from pyg_sitenet.report import collect, render, write_report

HISTORY = [{"epoch": 1, "train/mae/gap": 0.5, "val/mae/gap": 0.25}]


class Tags(HTMLParser):
    """Every tag of a page with its attributes, and the text of its scripts."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.scripts = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data):
        if self.tags and self.tags[-1][0] == "script" and self.cdata_elem == "script":
            self.scripts[-1] += data


def policy_of(page):
    result = [item for tag, item in Tags(page).tags if "http-equiv" in item]
    return result[0]["content"]


@pytest.fixture
def page(make_predictor, analysis, made_entries):
    content = collect(
        make_predictor(),
        analysis,
        made_entries,
        title="gap",
        history=HISTORY,
        best_epoch=1,
    )
    return render(content)


@pytest.fixture
def hostile_page(make_predictor, hostile_entries, analyse):
    (target,) = hostile_entries[0].targets
    predictor = make_predictor(target=target, unit=target)
    result = analyse(predictor, hostile_entries)
    return render(collect(predictor, result, hostile_entries, title=target))


def test_model_stands_beside_the_baselines(page):
    rows = re.findall(r"<tr><td>gap</td>.*?</tr>", page, re.DOTALL)
    assert len(rows) == 3
    assert "these crystals" in rows[0]
    assert "test part of training" in rows[1]
    assert "0.125" in rows[1]
    assert "baseline mean" in rows[2]
    assert "0.875" in rows[2]


def test_worst_prediction_comes_first(page):
    table = page[page.index('class="worst"') :]
    assert re.search(r"<tr><td>(\w+)</td>", table).group(1) == "quartz"


def test_every_figure_has_data(page):
    data = json.loads(Tags(page).scripts[0])
    titles = re.findall(r"<figure>\s*<h3>(.*?)</h3>", page)
    assert len(data) == len(titles) == 9
    assert all(figure["data"] for figure in data)


def test_settings_are_complete(page, make_predictor):
    sections = make_predictor().description.config.model_dump(mode="json")
    for section, values in sections.items():
        for key in values:
            assert f'<th scope="row">{section}.{key}</th>' in page


def test_page_loads_nothing(page):
    for tag, attributes in Tags(page).tags:
        assert "src" not in attributes, tag
        assert attributes.get("href", "#").startswith(("#", "data:"))
    assert policy_of(page).startswith("default-src 'none'; ")


def test_policy_allows_the_two_scripts_alone(page):
    allowed = re.findall(r"'sha256-(.*?)'", policy_of(page))
    digests = [
        hashlib.sha256(script.encode()).digest() for script in Tags(page).scripts[2:]
    ]
    assert allowed == [base64.b64encode(digest).decode() for digest in digests]
    assert len(allowed) == 2


def test_texts_of_users_stay_texts(hostile_page):
    tags = Tags(hostile_page)
    assert "img" not in {tag for tag, _ in tags.tags}
    assert "b" not in {tag for tag, _ in tags.tags}
    assert not any(key.startswith("on") for _, item in tags.tags for key in item)
    assert len(tags.scripts) == 4
    assert hostile_page.count("onerror") > 10  # they are there, as texts


def test_plotly_is_given_no_markup_of_users(hostile_page):
    # It makes <b>, <i>, <a> and more of the texts that it draws.
    figures = Tags(hostile_page).scripts[0]
    assert "onerror" in figures
    assert "\\u003cimg" not in figures
    assert "\\u003cb\\u003e" not in figures


def test_failures_are_listed_with_their_reasons(hostile_page):
    assert "1 times: why&lt;/script&gt;" in hostile_page
    assert "<td>broken&lt;/script&gt;" in hostile_page


def test_data_without_values_have_a_page(make_predictor, made_entries, analyse):
    predictor = make_predictor()
    made_entries = [replace(item, targets={}) for item in made_entries]
    result = analyse(predictor, made_entries)
    page = render(collect(predictor, result, made_entries, title="gap"))
    assert "Site-Net, these crystals" not in page
    assert 'class="worst"' not in page
    assert "Note: a note" in page
    assert "Every crystal could be used." in page


def test_page_is_the_same_twice(page, make_predictor, analysis, made_entries):
    content = collect(
        make_predictor(),
        analysis,
        made_entries,
        title="gap",
        history=HISTORY,
        best_epoch=1,
    )
    assert render(content) == page


def test_folder_that_is_not_there_is_an_error(
    make_predictor, analysis, made_entries, tmp_path
):
    content = collect(
        make_predictor(), analysis, made_entries, title="gap", chosen=["salt"]
    )
    with pytest.raises(DataError, match=r"report\.html: cannot be written: No such"):
        write_report(tmp_path / "missing" / "report.html", content)
