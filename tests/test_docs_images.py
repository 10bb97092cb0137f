"""Pages show images that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "examples").rglob("README.md")),
]
IMAGE = re.compile(r'<img[^>]*\bsrc="([^"]+)"|!\[[^\]]*\]\(([^)\s]+)')


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_images_of_a_page_exist(page):
    text = page.read_text(encoding="utf-8")
    named = [html or markdown for html, markdown in IMAGE.findall(text)]
    files = [item for item in named if "://" not in item]
    assert [file for file in files if not (page.parent / file).is_file()] == []


def test_images_are_found_in_both_notations():
    text = '<img width="3" src="a.png" alt="A"> and ![B](b.png "B") and [C](c.md)'
    assert IMAGE.findall(text) == [("a.png", ""), ("", "b.png")]
