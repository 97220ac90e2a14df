"""The unit of work of a scan: one half of one slot, on any worker."""

from __future__ import annotations

from typing import Literal

from analyzer.logs import SIDES
from analyzer.profile import encode, merge
from analyzer.scan.features import feature_tables
from analyzer.scan.pairs import pair_tables
from analyzer.scan.slot import Slot

Half = Literal["features", "pairs"]


def half_of(slot: Slot, half: Half) -> dict[str, bytes]:
    """The encoded tables of one half: `features` counts values, `pairs` pairs the two logs."""
    if half == "pairs":
        tables = pair_tables(slot)
    else:
        both = [feature_tables(slot, side) for side in SIDES]
        tables = {name: merge(name, [part[name] for part in both]) for name in both[0]}
    return {name: encode(content) for name, content in tables.items()}
