"""Pages in a real browser: silent, self-contained, accessible, and whole at any width."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from report.specimens import HOSTILE

from analyzer.report.words import shown

pytestmark = pytest.mark.xdist_group("pages")  # one Chromium, and pages made once

AXE = (Path(__file__).parent / "axe" / "axe.min.js").read_text(encoding="utf-8")
MOST_ELEMENTS = 60_000
"""Time grows with them and is not asserted: tests share processors. The largest page has 49,000."""

SCREENS = [(1280, "light"), (1280, "dark"), (768, "light"), (390, "light"), (390, "dark")]


@contextmanager
def opened(
    browser: Any, file: Path, width: int = 1280, scheme: str = "light", **options: Any
) -> Iterator[tuple[Any, list[str]]]:
    """A page opened from its file, and all that it said, asked for or did besides."""
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, **options
    )
    page = context.new_page()
    noise: list[str] = []
    page.on("console", lambda message: noise.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: noise.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (noise.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    address = file.as_uri()
    page.on("request", lambda r: noise.append(f"request: {r.url}") if r.url != address else None)
    page.goto(address)
    yield page, noise
    context.close()


UNFOLD = "document.querySelectorAll('details').forEach(d => d.open = true)"
STICKING = """width => [...document.querySelectorAll('body *')]
    .filter(e => e.getBoundingClientRect().right > width + 1)
    .filter(e => !e.closest('.scroll, svg, .skip')).map(e => e.outerHTML.slice(0, 120))"""
"""What reaches beyond the screen although the page does not scroll."""


@pytest.mark.parametrize(("width", "scheme"), SCREENS)
def test_silent_and_never_wider_than_the_screen(
    browser: Any, hostile: Path, width: int, scheme: str
) -> None:
    with opened(browser, hostile, width, scheme) as (page, noise):
        page.evaluate(UNFOLD)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(STICKING, width) == []
        assert noise == []


@pytest.mark.parametrize("width", [1280, 390])
def test_a_large_page_is_as_well_behaved(browser: Any, large: Path, width: int) -> None:
    with opened(browser, large, width) as (page, noise):
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(STICKING, width) == []
        assert noise == []


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light")])
def test_no_serious_fault_for_those_who_see_or_steer_otherwise(
    browser: Any, hostile: Path, width: int, scheme: str
) -> None:
    with opened(browser, hostile, width, scheme) as (page, _):
        page.evaluate(AXE)
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        faults = [
            (v["id"], v["impact"], v["nodes"][0]["html"][:200], v["nodes"][0]["failureSummary"])
            for v in found["violations"]
            if v["impact"] in ("serious", "critical")
        ]
        assert faults == []
        assert len(found["violations"]) <= 1, [v["id"] for v in found["violations"]]


def test_read_without_javascript(browser: Any, hostile: Path) -> None:
    with opened(browser, hostile, java_script_enabled=False) as (page, noise):
        assert page.locator("h1").is_visible()
        sections = hostile.read_bytes().count(b"<section ")
        assert page.locator("main section:visible").count() == sections >= 5
        assert page.locator("main figure").first.is_visible()
        assert noise == []


def test_prints_to_several_pages(browser: Any, hostile: Path) -> None:
    with opened(browser, hostile, scheme="dark") as (page, _):
        printed = page.pdf(format="A4")
        assert printed.startswith(b"%PDF")
        assert len(re.findall(rb"/Type\s*/Page\b", printed)) >= 3
        page.emulate_media(media="print")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == (
            "rgb(255, 255, 255)"
        )


def test_loads_whole(browser: Any, large: Path) -> None:
    with opened(browser, large) as (page, _):
        timing = page.evaluate("performance.getEntriesByType('navigation')[0].toJSON()")
        print(f"{large.name}: loaded in {timing['loadEventEnd']:.0f} ms")
        assert timing["loadEventEnd"] > 0
        assert page.evaluate("document.querySelectorAll('*').length") < MOST_ELEMENTS


def test_hostile_names_are_text(browser: Any, hostile: Path) -> None:
    with opened(browser, hostile) as (page, noise):
        page.evaluate(UNFOLD)
        strange = (
            "script, img, iframe, object, embed, link, b, i:not(.key i), base, form, a[href^=java]"
        )
        assert page.locator(strange).count() == 0
        assert page.evaluate("document.querySelectorAll('[onerror], [onload]').length") == 0
        names = set(page.locator("bdi").all_text_contents())
        missing = [n for n in HOSTILE if n.strip() and shown(n) not in names]
        assert missing == []
        drawn = json.dumps(page.locator("svg text").all_text_contents())
        assert "script>" in drawn
        assert noise == []
