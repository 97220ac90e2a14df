"""Tables of an experiment and where they lie: two stores inside the profile store.

units/     one slot per day of outcomes: what each unit did on it (`unit_days`)
sums/      one slot per day: how sums over units changed on it; any past date is a sum of days

unit_sums     by day of first exposure, arm and segment: units, totals, products of a unit's totals
unit_bins     by arm: units by their total, for percentiles and cut outliers
event_bins    by arm: events by their value, with what says how units' events go together
unit_buckets  by day of first exposure, arm and bucket of units: what they did on the day
unit_clusters by day of first exposure, arm and bucket of clusters: totals, where there are clusters
unit_faults   rows and units that were left out or look wrong, and why
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import Struct

from analyzer.store import Manifest, Store
from analyzer.window import HOUR

DAY = 24 * HOUR
FORMAT = 2
"""Changes whenever tables of the same logs would; older ones are then made again."""

VALUE_BITS = 30
"""Values are counted in whole multiples of scale * 2**-30."""

VALUE_REACH = 2.0**16
"""A value beyond so many times the frozen scale is out of range: sums must fit 64 bits."""

PRODUCT_BITS = 24
"""Products of two totals are counted in whole multiples of scale * scale * 2**-24."""

CHAMPION, CHALLENGER, MIXED = 0, 1, -1
ARMS = ("champion", "challenger")

CLUSTERS = "#clusters"
"""Name of the measure that counts clusters first seen."""

NO_ZEROS = "#not 0 {}"
"""Name of the measure whose events with the value 0 do not count."""

EVENTS = "#events"
"""Name of the measure that counts a unit's outcomes; no column is called so."""


class Scales(Struct, frozen=True, forbid_unknown_fields=True):
    """The size of each column, a power of two: frozen when the first day was read."""

    columns: dict[str, float]

    def value(self, column: str) -> float:
        """Unit of the whole numbers that a column's values are counted in."""
        return self.columns[column] * 2.0**-VALUE_BITS

    def product(self, one: str, other: str) -> float:
        """Unit of the products of two columns."""
        return self.columns[one] * self.columns[other] * 2.0**-PRODUCT_BITS


def units_store(store: Store) -> Store:
    """Where what units did is kept, a slot a day."""
    return Store(store.path / "experiment" / "units")


def sums_store(store: Store) -> Store:
    """Where the changes of sums over units are kept, a slot a day."""
    return Store(store.path / "experiment" / "sums")


def linked(last: str, manifest: Manifest) -> str:
    """Digest of a day and of all days before it, whose digest is `last`."""
    told = json.dumps([last, manifest.slot, manifest.digest])
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def encoded(content: pa.Table) -> bytes:
    """What units did as the bytes of a Parquet file; equal tables give equal bytes.

    Learnt by measuring: what units did is read once or twice and holds hashes, which nothing
    compresses; LZ4 writes it in half the time of Zstandard, and half again as large; columns
    that hold no NULL and say so are written a quarter faster.
    """
    sink = io.BytesIO()
    fields = [f.with_nullable(content[f.name].null_count > 0) for f in content.schema]
    words = [f.name for f in fields if pa.types.is_string(f.type) or pa.types.is_dictionary(f.type)]
    pq.write_table(
        content.cast(pa.schema(fields)).combine_chunks(),
        sink,
        compression="lz4",
        use_dictionary=words or False,
        store_schema=True,
        write_statistics=False,
        write_page_checksum=True,
    )
    return sink.getvalue()


def faults_table(day: int, faults: Mapping[str, int]) -> pa.Table:
    """What is wrong with a day (since 1970, UTC), by reason."""
    found = sorted((reason, n) for reason, n in faults.items() if n)
    return pa.table(
        {
            "day": pa.array([day] * len(found), pa.int32()),
            "reason": pa.array([reason for reason, _ in found], pa.string()),
            "n": pa.array([n for _, n in found], pa.int64()),
        }
    )
