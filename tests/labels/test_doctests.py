"""Examples in the docstrings of the label join."""

from __future__ import annotations

import doctest

import pytest

from analyzer.cli import label_tables
from analyzer.labels import events, order, strata


@pytest.mark.parametrize("module", [events, order, strata, label_tables], ids=lambda m: m.__name__)
def test_examples(module: object) -> None:
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0
