"""Arrow's compute functions (`pyarrow.compute`), loaded at the first use of one.

Learnt by measuring: loading describes each of 300 functions, a quarter of a second. Who reads only
the newest minutes, once a minute, needs none of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    return getattr(import_module("pyarrow.compute"), name)
