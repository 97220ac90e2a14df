"""Where the sample data lies, and how to reach its generator."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SAMPLE_DATA = Path(__file__).parents[2] / "sample_data"


@pytest.fixture(scope="session")
def flights() -> Path:
    """Return the folder of the committed flight logs."""
    return SAMPLE_DATA / "flights"


@pytest.fixture(scope="session")
def generate() -> Callable[..., dict[str, Any]]:
    """Return the generator as a program beside its script would import it."""
    if str(SAMPLE_DATA) not in sys.path:
        sys.path.append(str(SAMPLE_DATA))
    from synthetic import generate as function

    return function
