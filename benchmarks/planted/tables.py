"""Profile tables straight from simulated rows, without files: the same tables that a scan writes.

Only the tables and columns that the shadow gate reads; `benchmarks.planted.proof` shows that
they equal a real scan's, value for value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analyzer import ids
from analyzer.config import Features, Log, Rollout
from analyzer.errors import StoreError
from analyzer.frozen import REFERENCE_ROWS, Bins, Frozen
from analyzer.histogram import CELLS, NULL, codes_of, raw_bins, reference_cells
from analyzer.policy import Policy
from analyzer.profile import SCHEMA, TABLES, Tables, empty, merge, over, table
from analyzer.profiles import Profiles
from analyzer.scan.measures import exact_weights
from analyzer.scan.run import SPARSE
from analyzer.store import Manifest, slot_name
from analyzer.window import HOUR, Window
from benchmarks.planted.process import LAG, MINUTE, Ints, Phase, Rows, rows

SIDES = ("champion", "challenger")
DAY = 24 * HOUR
Values = NDArray[np.float64]

ROLLOUT = Rollout(
    name="planted",
    champion=Log(paths=["champion"]),
    challenger=Log(paths=["challenger"]),
    features=Features(numeric=["amount"], critical=["amount"]),
)


def simulate(phase: Phase, policy: Policy) -> Profiles:
    """The phase's profiles over its whole window."""
    days = list(rows(phase))
    store = Simulated(frozen_from(_reference(days)))
    for day in days:
        store.add(day, policy)
    window = Window(phase.start, phase.start + phase.hours * HOUR)
    return store.profiles(window)


class Simulated:
    """Tables by slot, in the place of a `Store`: it can be read, and that is all."""

    def __init__(self, frozen: Frozen) -> None:
        self.slots: dict[int, Tables] = {}
        self.frozen = frozen

    def add(self, day: Rows, policy: Policy) -> None:
        """Profile one slot's rows."""
        start = int(day.ts[0]) // DAY * DAY
        self.slots[start] = slot_tables(day, start, self.frozen, policy)

    def manifests(self) -> dict[int, Manifest]:
        """One manifest per slot."""
        return {
            start: Manifest(slot_name(start), start, start + DAY, "simulated", "", [], {})
            for start in self.slots
        }

    def read(self, manifest: Manifest, name: str) -> pa.Table:
        """One table of one slot."""
        if name not in self.slots[manifest.start]:
            raise StoreError(f"the simulation makes no table {name!r}")
        return self.slots[manifest.start][name]

    def profiles(self, window: Window) -> Profiles:
        """A window of the simulated store."""
        return Profiles(self, self.frozen, list(self.manifests().values()), window)  # type: ignore[arg-type]


def _reference(days: Sequence[Rows]) -> Rows:
    """The slot that a scan freezes columns.json from: the first that is logged to both ends."""
    last = len(days) - 1
    whole = [
        day
        for number, day in enumerate(days)
        if (number > 0 or day.ts[0] % DAY < HOUR)
        and (number < last or day.ts[-1] % DAY >= DAY - HOUR)
    ]
    usual = sum(len(day.ts) for day in days) / len(days)
    candidates = whole or list(days)
    return next((d for d in candidates if len(d.ts) * SPARSE >= usual), candidates[-1])


def _hours_read(day: Rows) -> NDArray[np.bool_]:
    """The rows of the hours that a scan reads of the reference slot (`frozen.freeze`)."""
    hour = day.ts % DAY // HOUR
    counts = np.bincount(hour, minlength=24)
    chosen, total = [], 0
    for candidate in sorted(range(24), key=lambda h: (int(f"{h:05b}"[::-1], 2), h)):
        if total >= REFERENCE_ROWS:
            break
        total += int(counts[candidate])
        chosen.append(candidate)
    return np.isin(hour, chosen)


def frozen_from(day: Rows) -> Frozen:
    """columns.json as a scan would freeze it from this slot."""
    read = _hours_read(day)
    return Frozen(
        schema=SCHEMA,
        reference_start="",
        reference_rows=int(read.sum()),
        scale=1.0,
        bins={
            "score": _bins(day.scores["champion"][read], "probability", 0.0),
            "latency_ms": _bins(day.latency["champion"][read], "distance", 0.0),
            "amount": _amount_bins(day.amount["champion"][read]),
            "difference": Bins("distance", 0.0, [0], 0),
        },
        vocabularies={},
        segments={},
        classes=[],
        decisions=[],
    )


def _amount_bins(values: Values) -> Bins:
    kept = values[~np.isnan(values)]
    return _bins(kept, "distance", float(np.float32(np.quantile(kept, 0.5, method="lower"))))


def _bins(values: Values, kind: str, origin: float) -> Bins:
    assert kind in ("probability", "distance")
    codes = codes_of(_raw(values, kind, origin), kind)
    starts, last = reference_cells(*np.unique(codes, return_counts=True))
    return Bins(kind, origin, starts.tolist(), last)  # type: ignore[arg-type]


def _raw(values: Values, kind: str, origin: float) -> Ints:
    out = np.empty(len(values), dtype=np.int64)
    return raw_bins(values, np.zeros(0, np.int64), kind, origin, out)  # type: ignore[arg-type]


def slot_tables(day: Rows, start: int, frozen: Frozen, policy: Policy) -> Tables:
    """The tables of one slot."""
    bucket = ids.buckets(pa.array(day.user))
    kept = np.flatnonzero(~day.lost)
    measures = {
        "champion": _model(day, "champion", policy),
        "challenger": {n: v[kept] for n, v in _model(day, "challenger", policy).items()},
        "pair": {n: v[kept] for n, v in _pairs(day).items()},
    }
    measures["champion"]["unmatched"] = day.lost.astype(np.float64)
    ts = {"champion": day.ts, "challenger": day.ts[kept] + LAG, "pair": day.ts[kept]}
    buckets = {"champion": bucket, "challenger": bucket[kept], "pair": bucket[kept]}
    return {
        "coverage": _coverage(day, start, kept),
        "rejects": empty("rejects", ["n"]),
        "minutes": _summed("minutes", "minute", measures, ts, MINUTE),
        "cells": _summed("cells", "hour", measures, ts, HOUR),
        "cell_buckets": _by_bucket(measures, buckets, start),
        "fine_hours": _fine_hours(day, kept, start),
        "values": empty("values", ["n"]),
        "histograms": _histograms(day, kept, start, frozen),
        "parity": _parity(day, kept, start),
    }


def _model(day: Rows, side: str, policy: Policy) -> dict[str, Values]:
    score, latency = day.scores[side], day.latency[side]
    n = len(day.ts)
    slow = {
        over(limit): (latency >= limit).astype(np.float64)
        for limit in sorted(set(policy.latency_thresholds))
    }
    return {
        "errors": day.errors[side].astype(np.float64),
        "nulls": np.zeros(n),
        "latency_n": np.ones(n),
        **slow,
        "unmatched": np.zeros(n),
        "score_sum": exact_weights(score, 1.0),
        "score_squares": exact_weights(score * score, 1.0),
    }


def _pairs(day: Rows) -> dict[str, Values]:
    ours, theirs = day.scores["champion"], day.scores["challenger"]
    difference = theirs - ours
    whole = exact_weights(difference, 1.0)
    return {
        "nulls": np.zeros(len(day.ts)),
        "decided": np.ones(len(day.ts)),
        "flips": ((ours >= 0.5) != (theirs >= 0.5)).astype(np.float64),
        "difference_sum": whole,
        "difference_squares": exact_weights(difference * difference, 1.0),
        "difference_absolute": np.abs(whole),
    }


def _grouped(group: Ints, measures: Mapping[str, Values]) -> tuple[Ints, dict[str, Ints]]:
    """Groups that hold a row and their sums. Whole-numbered weights keep float64 sums exact."""
    n = np.bincount(group)
    busy = np.flatnonzero(n)
    sums = {
        name: np.bincount(group, weights=values, minlength=len(n))[busy].astype(np.int64)
        for name, values in measures.items()
    }
    return busy, {"n": n[busy], **sums}


def _summed(
    name: str,
    instant: str,
    measures: Mapping[str, Mapping[str, Values]],
    ts: Mapping[str, Ints],
    length: int,
) -> pa.Table:
    """Sums by hour or minute of models and pairs, overall."""
    parts = []
    names = _all_names(measures)
    for model, values in measures.items():
        first = int(ts[model][0]) // length
        busy, sums = _grouped(ts[model] // length - first, values)
        keys: dict[str, object] = {
            instant: (busy + first) * length,
            "model": [model] * len(busy),
        }
        for key in TABLES[name].keys:
            keys.setdefault(key, pa.nulls(len(busy), pa.string()))
        parts.append(table(name, {**keys, **_complete(sums, names, len(busy))}))
    return merge(name, parts)


def _all_names(measures: Mapping[str, Mapping[str, Values]]) -> list[str]:
    return list(dict.fromkeys(["n", *(n for values in measures.values() for n in values)]))


def _complete(sums: Mapping[str, Ints], names: list[str], count: int) -> dict[str, Ints]:
    return {name: sums.get(name, np.zeros(count, np.int64)) for name in names}


def _by_bucket(
    measures: Mapping[str, Mapping[str, Values]], buckets: Mapping[str, Ints], start: int
) -> pa.Table:
    parts = []
    names = [n for n in _all_names(measures) if not n.endswith("_squares")]
    for model, values in measures.items():
        busy, sums = _grouped(
            buckets[model], {n: v for n, v in values.items() if not n.endswith("_squares")}
        )
        keys = {
            "slot": np.full(len(busy), start),
            "model": [model] * len(busy),
            "a": pa.nulls(len(busy), pa.string()),
            "a_value": pa.nulls(len(busy), pa.string()),
            "bucket": busy,
        }
        parts.append(table("cell_buckets", {**keys, **_complete(sums, names, len(busy))}))
    return merge("cell_buckets", parts)


def _coverage(day: Rows, start: int, kept: Ints) -> pa.Table:
    hour = (day.ts - start) // HOUR
    n, matched = (np.bincount(h, minlength=24) for h in (hour, hour[kept]))
    busy = np.flatnonzero(n)
    zero = np.zeros(len(busy), np.int64)
    return table(
        "coverage",
        {
            "hour": start + busy * HOUR,
            "champion_rows": n[busy],
            "champion_duplicates": zero,
            "only_champion": (n - matched)[busy],
            "challenger_rows": matched[busy],
            "challenger_duplicates": zero,
            "only_challenger": zero,
            "matched": matched[busy],
            "lag_us": matched[busy] * LAG,
        },
    )


def _fine_hours(day: Rows, kept: Ints, start: int) -> pa.Table:
    parts = []
    for side in SIDES:
        chosen = slice(None) if side == "champion" else kept
        hour = (day.ts[chosen] - start) // HOUR
        for column, values, kind in (
            ("score", day.scores[side][chosen], "probability"),
            ("latency_ms", day.latency[side][chosen].astype(np.float32), "distance"),
        ):
            code = codes_of(_raw(values, kind, 0.0), kind)  # type: ignore[arg-type]
            keys, n = np.unique(hour * 65_536 + code, return_counts=True)
            parts.append(
                table(
                    "fine_hours",
                    {
                        "hour": start + keys // 65_536 * HOUR,
                        "model": [side] * len(n),
                        "column": [column] * len(n),
                        "code": keys % 65_536,
                        "n": n,
                    },
                )
            )
    return merge("fine_hours", [pa.concat_tables(parts)])


def _histograms(day: Rows, kept: Ints, start: int, frozen: Frozen) -> pa.Table:
    binning = frozen.binning("amount")
    parts = []
    for side in SIDES:
        chosen = slice(None) if side == "champion" else kept
        values = day.amount[side][chosen]
        missing = np.isnan(values)
        raw = _raw(np.where(missing, 0.0, values), "distance", binning.origin)
        cell = np.where(missing, NULL, binning.cell_of_raw[raw])
        hour = (day.ts[chosen] - start) // HOUR
        keys, n = np.unique(hour * CELLS + cell, return_counts=True)
        parts.append(
            table(
                "histograms",
                {
                    "hour": start + keys // CELLS * HOUR,
                    "model": [side] * len(n),
                    "column": ["amount"] * len(n),
                    "cell": keys % CELLS,
                    "n": n,
                },
            )
        )
    return merge("histograms", [pa.concat_tables(parts)])


def _parity(day: Rows, kept: Ints, start: int) -> pa.Table:
    ours, theirs = (day.amount[side][kept] for side in SIDES)
    missing, absent = np.isnan(ours), np.isnan(theirs)
    hour = (day.ts[kept] - start) // HOUR
    with np.errstate(invalid="ignore"):
        far = np.abs(ours - theirs) > 1e-6 * np.maximum(abs(ours), abs(theirs))
    flags = {
        "differing": (~missing & ~absent & far) | (missing != absent),
        "null_on_champion": missing & ~absent,
        "null_on_challenger": absent & ~missing,
    }
    n = np.bincount(hour, minlength=24)
    busy = np.flatnonzero(n)
    counts = {k: np.bincount(hour[f], minlength=24)[busy] for k, f in flags.items()}
    columns = {"compared": n[busy], **counts}
    keys = {"hour": start + busy * HOUR, "feature": ["amount"] * len(busy)}
    return table("parity", {**keys, **columns})
