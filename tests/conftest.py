"""Fixtures shared by all tests: `book` builds folders of logs (see `logbook`)."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))  # so that any test may `from logbook import ...`

from logbook import Book


@pytest.fixture
def book(tmp_path: Path) -> Book:
    """An empty folder to write logs and a rollout.toml into."""
    return Book(tmp_path)


# Time is measured in benchmarks/, never asserted: a busy machine must not fail a property.
settings.register_profile("calm", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("calm")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a file on one worker, so that what they share is made once."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(str(item.path)))
