"""A Chromium for the tests that open pages; without one they fail and say what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import chromium
from report import experiments, histories, incidents, nights

HOSTILE: dict[str, Callable[[], bytes]] = {
    "night": nights.hostile,
    "incident": incidents.hostile,
    "history": histories.hostile,
    "experiment": experiments.hostile,
}
"""Small pages in which every name is hostile."""

LARGE: dict[str, Callable[[], bytes]] = {
    "night": nights.large,
    "incident": incidents.large,
    "history": histories.large,
    "experiment": experiments.large,
}
"""Pages as large as they get."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium."""
    if chromium.wanted() == chromium.NONE:
        pytest.skip(chromium.LEFT_OUT)
    path = chromium.find()
    if path is None:
        pytest.fail(chromium.MISSING, pytrace=False)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        pytest.fail("playwright is missing: run `make setup`", pytrace=False)
    with sync_playwright() as playwright:
        # root, as in a container, can have no sandbox; the pages are our own
        found = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="session", params=list(HOSTILE))
def hostile(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page full of hostile names, as the file that someone was mailed."""
    return _mailed(tmp_path_factory, f"{request.param}-hostile.html", HOSTILE[request.param]())


@pytest.fixture(scope="session", params=list(LARGE))
def large(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of 30 days, 200 features and 50 segments."""
    return _mailed(tmp_path_factory, f"{request.param}-large.html", LARGE[request.param]())


def _mailed(factory: pytest.TempPathFactory, name: str, content: bytes) -> Path:
    file = factory.mktemp("mail") / name
    file.write_bytes(content)
    return file
