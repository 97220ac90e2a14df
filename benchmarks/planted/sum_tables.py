"""The tables of a profile, from the sums of simulated phases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from analyzer.frozen import Bins, Frozen
from analyzer.histogram import codes_of, raw_bins, reference_cells
from analyzer.ids import BUCKETS
from analyzer.logs import LogFile
from analyzer.profile import KINDS, empty, repeat, repeated, table
from analyzer.profiles import Profiles
from analyzer.scan.fine import COARSE
from analyzer.store import Manifest
from analyzer.window import DAY, HOUR, MINUTE, Window
from benchmarks.planted.sums import (
    COUNTRIES,
    EDGES,
    PLANS,
    SCORES,
    SEGMENTS,
    Arm,
    Floats,
    Hours,
    Ints,
    score_law,
)


def _codes(values: Floats, kind: str) -> Ints:
    raw = raw_bins(values, np.zeros(0, np.int64), kind, 0.0, np.empty(len(values), np.int64))  # type: ignore[arg-type]
    return codes_of(raw, kind)  # type: ignore[arg-type]


LATENCIES = np.concatenate(
    [[EDGES[0] / 2], np.exp((np.log(EDGES[1:]) + np.log(EDGES[:-1])) / 2), [EDGES[-1] * 2]]
)
"""One latency in each cell."""

LATENCY_CODES = _codes(LATENCIES, "distance")
SCORE_CODES = _codes(1 / (1 + np.exp(-(SCORES[1:] + SCORES[:-1]) / 2)), "probability")


def frozen() -> Frozen:
    """columns.json of the simulation: reference cells of the score from its own law."""
    weight = np.rint(score_law(np.zeros(1))[0] * 1e6).astype(np.int64)
    starts, last = reference_cells(SCORE_CODES, weight)
    return Frozen(
        schema=1,
        reference_start="",
        reference_rows=0,
        scale=1.0,
        bins={
            "score": Bins("probability", 0.0, starts.tolist(), last),
            "latency_ms": Bins("distance", 0.0, [0], 0),
            "difference": Bins("distance", 0.0, [0], 0),
        },
        vocabularies={},
        segments={},
        classes=[],
        decisions=[],
    )


@dataclass(eq=False)
class Tables:
    """Tables in the place of a store: it can be read, and that is all. Slots are days."""

    start: int
    days: int
    tables: dict[str, pa.Table] = field(default_factory=dict)
    columns: Frozen = field(default_factory=frozen)

    def manifests(self) -> dict[int, Manifest]:
        """One slot a day."""
        found = {}
        for start in range(self.start, self.start + self.days * DAY, DAY):
            name = datetime.fromtimestamp(start // 1_000_000, UTC).strftime("%Y-%m-%dT%H")
            found[start] = Manifest(name, start, start + DAY, "", "", [], {})
        return found

    def read(self, manifest: Manifest, name: str) -> pa.Table:
        """One table of one day."""
        if name not in self.tables:
            return empty(name, ("n",))
        whole = self.tables[name]
        at = whole[next(iter(KINDS[name].keys))].cast(pa.int64()).to_numpy()
        first, last = np.searchsorted(at, [manifest.start, manifest.end])
        return whole.slice(first, last - first)

    def roles(self) -> None:
        """As of a store."""

    def footers(self) -> dict[str, list[LogFile]]:
        """As of a store: there is no file."""
        return {}

    def with_tables(self, more: Mapping[str, pa.Table]) -> Tables:
        """The same with other tables in the place of some."""
        return replace(self, tables={**self.tables, **more})

    def profiles(self, window: Window) -> Profiles:
        """The profiles of a window."""
        return Profiles(self, self.columns, list(self.manifests().values()), window)  # type: ignore[arg-type]


def coverage(start: int, champion: Ints, challenger: Ints, matched: Ints) -> pa.Table:
    """Rows of each model by hour, and those in both logs."""
    zero = np.zeros(len(champion), np.int64)
    return table(
        "coverage",
        {
            "hour": start + np.arange(len(champion)) * HOUR,
            "champion_rows": champion,
            "champion_duplicates": zero,
            "only_champion": champion - matched,
            "challenger_rows": challenger,
            "challenger_duplicates": zero,
            "only_challenger": challenger - matched,
            "matched": matched,
            "lag_us": matched * 5000,
        },
    )


def fine_hours(start: int, parts: Sequence[tuple[str, str, Ints, Ints]]) -> pa.Table:
    """parts: (model, column, codes of the cells, counts by hour and cell)."""
    found = []
    for model, column, codes, counts in parts:
        hour, cell = np.nonzero(counts)
        found.append(
            table(
                "fine_hours",
                {
                    "hour": start + hour * HOUR,
                    "model": repeat(model, len(hour)),
                    "column": repeat(column, len(hour)),
                    "code": codes[cell],
                    "n": counts[hour, cell],
                },
            )
        )
    return pa.concat_tables(found).sort_by("hour").combine_chunks()


def margins(arms: Mapping[str, Arm], start: int) -> pa.Table:
    """`cells`: overall, by country, by plan and by both, hour by hour."""
    blocks = []
    country, plan = (np.array([s[at] for s in SEGMENTS]) for at in (0, 1))
    groups: list[tuple[tuple[str | None, ...], NDArray[np.bool_]]] = [
        ((None, None, None, None), np.ones(len(SEGMENTS), dtype=bool)),
        *(((("country"), c, None, None), country == c) for c in COUNTRIES),
        *((("plan", p, None, None), plan == p) for p in PLANS),
        *(
            (("country", c, "plan", p), (country == c) & (plan == p))
            for c in COUNTRIES
            for p in PLANS
        ),
    ]
    for model, arm in arms.items():
        sums = {"n": arm.n, "errors": arm.errors, "over_200ms": arm.slow}
        by_segment = {name: values.sum(axis=1) for name, values in sums.items()}
        for key, chosen in groups:
            counts = {name: values[:, chosen].sum(axis=1) for name, values in by_segment.items()}
            blocks.append((model, key, counts))
    count = len(next(iter(arms.values())).n)
    columns: dict[str, object] = {
        "hour": np.tile(start + np.arange(count) * HOUR, len(blocks)),
        "model": repeated([b[0] for b in blocks], [count] * len(blocks)),
    }
    for at, name in enumerate(("a", "a_value", "b", "b_value")):
        words = np.repeat(np.array([b[1][at] for b in blocks], dtype=object), count)
        columns[name] = pa.array(words, pa.string())
    for name in ("n", "errors", "over_200ms"):
        columns[name] = np.concatenate([b[2][name] for b in blocks])
    n = columns["n"]
    columns |= {"latency_n": n, "nulls": np.zeros(len(n), np.int64)}  # type: ignore[arg-type]
    return table("cells", columns).sort_by("hour").combine_chunks()


def buckets(arms: Mapping[str, Arm], last: int, slot: int) -> pa.Table:
    """`cell_buckets` of one slot, of the hours before `last`: overall and by country and plan."""
    country, plan = (np.array([s[at] for s in SEGMENTS]) for at in (0, 1))
    groups = [
        (None, None, np.ones(len(SEGMENTS), dtype=bool)),
        *(("country", c, country == c) for c in COUNTRIES),
        *(("plan", p, plan == p) for p in PLANS),
    ]
    models, a, values = [], [], []
    sums: dict[str, list[Ints]] = {"n": [], "errors": [], "over_200ms": []}
    for model, arm in arms.items():
        whole = {"n": arm.n, "errors": arm.errors, "over_200ms": arm.slow}
        so_far = {name: counts[:last].sum(axis=0) for name, counts in whole.items()}
        for column, value, chosen in groups:
            models.append(model)
            a.append(column)
            values.append(value)
            for name, counts in so_far.items():
                sums[name].append(counts[:, chosen].sum(axis=1))
    columns: dict[str, object] = {
        "slot": np.full(len(models) * BUCKETS, slot),
        "model": repeated(models, [BUCKETS] * len(models)),
        "a": pa.array(np.repeat(np.array(a, dtype=object), BUCKETS), pa.string()),
        "a_value": pa.array(np.repeat(np.array(values, dtype=object), BUCKETS), pa.string()),
        "bucket": np.tile(np.arange(BUCKETS), len(models)),
    }
    columns |= {name: np.concatenate(parts) for name, parts in sums.items()}
    n = columns["n"]
    columns |= {"latency_n": n, "nulls": np.zeros(len(n), np.int64)}  # type: ignore[arg-type]
    return table("cell_buckets", columns)


def minutes(
    random: np.random.Generator, course: Hours, arms: Mapping[str, Arm]
) -> dict[str, pa.Table]:
    """`minutes` and `minute_latency`: the hours' counts spread over their minutes, in bursts."""
    fine = minute_latency(random, course, {model: arm.latency for model, arm in arms.items()})
    count = len(course.traffic) * 60
    plain = []
    for model, arm in arms.items():
        rows = fine.filter(pc.equal(fine["model"], model))
        place = (rows["minute"].cast(pa.int64()).to_numpy() - course.start) // MINUTE
        n = np.bincount(place, weights=rows["n"].to_numpy(), minlength=count).astype(np.int64)
        share = np.maximum(n.reshape(-1, 60), 1e-9)
        errors = random.multinomial(
            arm.errors.sum(axis=(1, 2)), share / share.sum(axis=1, keepdims=True)
        )
        columns = {
            "minute": course.start + np.arange(count) * MINUTE,
            "model": repeat(model, count),
            "n": n,
            "errors": np.minimum(errors.ravel(), n),
            "latency_n": n,
            "nulls": np.zeros_like(n),
        }
        plain.append(table("minutes", columns))
    whole = pa.concat_tables(plain).sort_by("minute").combine_chunks()
    return {"minutes": whole, "minute_latency": fine}


def minute_latency(
    random: np.random.Generator, course: Hours, cells: Mapping[str, Ints]
) -> pa.Table:
    """Latency cells by hour spread over the hours' minutes, whose rates vary by 5 %."""
    burst = np.exp(random.normal(0, 0.05, (len(course.traffic), 60)))
    share = burst / burst.sum(axis=1, keepdims=True)
    at = course.start + np.arange(share.size) * MINUTE
    coarse, inverse = np.unique(LATENCY_CODES >> COARSE << COARSE, return_inverse=True)
    parts = []
    for model, counts in cells.items():
        spread = np.zeros((len(course.traffic), 60, len(coarse)), dtype=np.int64)
        for cell in range(counts.shape[1]):
            spread[:, :, inverse[cell]] += random.multinomial(counts[:, cell], share)
        minute, cell = np.nonzero(spread.reshape(share.size, len(coarse)))
        columns = {
            "minute": at[minute],
            "model": repeat(model, len(minute)),
            "code": coarse[cell],
            "n": spread.reshape(share.size, len(coarse))[minute, cell],
        }
        parts.append(table("minute_latency", columns))
    return pa.concat_tables(parts).sort_by("minute").combine_chunks()
