"""Whole pages as files: self-contained, sealed, within their size, the same every time."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import re
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from report import experiments, incidents, nights

pytestmark = pytest.mark.xdist_group("pages")  # made once, for the browser as well

TESTS = Path(__file__).parents[1]
LARGEST = 1_500_000
PAGES: dict[str, Callable[[], bytes]] = {
    "nights.hostile": nights.hostile,
    "nights.large": nights.large,
    "incidents.hostile": incidents.hostile,
    "incidents.large": incidents.large,
    "experiments.hostile": experiments.hostile,
    "experiments.large": experiments.large,
}


class Outline(html.parser.HTMLParser):
    """What a page holds, as a parser sees it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, *names: str) -> list[dict[str, str | None]]:
        """Attributes of every such element."""
        return [attributes for tag, attributes in self.tags if tag in names]


@pytest.fixture(scope="module", params=list(PAGES))
def page(request: pytest.FixtureRequest) -> tuple[str, str]:
    """(name, content) of one page."""
    return request.param, PAGES[request.param]().decode("utf-8")


def test_it_fits_into_a_mail(page: tuple[str, str]) -> None:
    name, content = page
    print(f"{name}: {len(content.encode()):,} bytes")
    assert len(content.encode()) < LARGEST


def test_nothing_is_loaded_and_nothing_runs(page: tuple[str, str]) -> None:
    outline = Outline(page[1])
    assert not outline.all("script", "link", "img", "iframe", "object", "embed", "form", "base")
    for tag, attributes in outline.tags:
        assert not [a for a in attributes if a.startswith("on") or a in ("style", "src")], tag
        assert (attributes.get("href") or "#").startswith("#"), tag
    assert "://" not in page[1]
    assert "url(" not in page[1]


def test_the_policy_names_the_one_style_sheet(page: tuple[str, str]) -> None:
    metas = [m for m in Outline(page[1]).all("meta") if "http-equiv" in m]
    assert len(metas) == 1
    policy = metas[0]["content"] or ""
    style = re.search(r"<style>(.*?)</style>", page[1], re.DOTALL)
    assert style
    seal = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{seal}'; base-uri 'none'; form-action 'none'"
    )
    # the policy counts from where it stands: nothing that it rules may come before
    assert page[1].index("Content-Security-Policy") < page[1].index("<style>")


def test_what_is_ours_is_markup_and_what_is_theirs_is_not(page: tuple[str, str]) -> None:
    assert not re.search(r"&lt;/?(span|bdi|small|code|br|dd)\b", page[1])
    assert "<span class=when>2025-03-" in page[1]
    if "hostile" in page[0]:
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page[1]


def test_ids_are_unique_and_every_reference_leads_somewhere(page: tuple[str, str]) -> None:
    tags = Outline(page[1]).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in tags:
        for name in ("aria-labelledby", "href"):
            target = attributes.get(name)
            assert target is None or target.removeprefix("#") in ids


def test_every_chart_speaks_and_has_its_numbers(page: tuple[str, str]) -> None:
    outline = Outline(page[1])
    charts = [d for d in outline.all("div") if "chart" in (d.get("class") or "").split()]
    assert len(charts) > 8
    for chart in charts:
        assert chart["role"] == "img"
        assert len(chart["aria-label"] or "") > 20
    assert len(outline.all("caption")) == len(outline.all("table"))
    for section in re.findall(r"<section.*?</section>", page[1], re.DOTALL):
        figures = re.findall(r"<figure.*?</figure>", section, re.DOTALL)
        alone = [figure for figure in figures if "<table" not in figure]
        # charts of segments, of all series or metrics, share the table that follows
        shared = re.search(r"<caption[^>]*>(Segments|All series|All metrics)", section)
        assert not alone or shared, section[:200]


def test_headings_step_down_one_by_one(page: tuple[str, str]) -> None:
    levels = [int(tag[1]) for tag, _ in Outline(page[1]).tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_another_process_writes_the_same_bytes() -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(TESTS)!r}); "
        "from report import experiments, incidents, nights; "
        "from hashlib import sha256; "
        "print(*(sha256(p.hostile()).hexdigest() for p in (experiments, incidents, nights)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=TESTS.parent
    )
    here = [hashlib.sha256(p.hostile()).hexdigest() for p in (experiments, incidents, nights)]
    assert done.stdout.split() == here


@pytest.mark.parametrize("page", [incidents.hostile, nights.hostile])
def test_the_way_of_a_rollback_is_on_the_page(page: Callable[[], bytes]) -> None:
    text = page().decode()
    assert "The rollback, part by part" in text
    assert "first breach to fired" in text or "decided to written" in text


def test_what_changed_comes_before_what_stood_apart() -> None:
    page = incidents.large().decode()
    changed = page.rindex("changed against the baseline</")
    assert changed < page.index("in the incident, as it stood</")
