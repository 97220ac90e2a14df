"""Units of a simulated A/B test as the tables that the product would keep of them.

The tables are made from arrays of units, without logs: `planted.trial_logs` writes the same units
as logs, lets the product read them, and compares every sum.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analyzer import ids
from analyzer.design import Experiment
from analyzer.experiment.event_bins import SUMS, measure_of
from analyzer.experiment.known import Known
from analyzer.experiment.sums import ANY, MISSING, products
from analyzer.experiment.tables import EVENTS, VALUE_BITS, Scales, faults_table
from analyzer.experiment.totals import changes_of
from analyzer.profile import repeat, table
from benchmarks.planted.trial_events import codes, moves

FIRST = 20_514
"""Day of the first exposure since 1970: 2 March 2026, a Monday."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Trial:
    """n units over some days. arm (n,): 1 the challenger; exposed (n,): day from 0; active
    (n, days): whether a unit has an outcome on a day; values: (n, days) by column; covariates:
    (n,) by column, NaN where none; segments: (n,) whole numbers by column.
    """

    arm: Ints
    exposed: Ints
    active: NDArray[np.bool_]
    values: Mapping[str, Floats]
    covariates: Mapping[str, Floats] = field(default_factory=dict)
    segments: Mapping[str, Ints] = field(default_factory=dict)

    @property
    def days(self) -> int:
        """How many days are simulated."""
        return self.active.shape[1]

    def named(self) -> list[str]:
        """Ids of the units."""
        return [f"u{number}" for number in range(len(self.arm))]

    def scales(self, design: Experiment) -> Scales:
        """The size of each column by its first day, as an update freezes it."""
        first = self.active[:, 0]
        seen = {name: self.values[name][first, 0] for name in design.values}
        seen |= {name: self.covariates[name][first] for name in design.covariates}
        largest = {name: np.nanmax(np.abs(x), initial=0.0) for name, x in seen.items()}
        sizes = {name: 2.0 ** np.ceil(np.log2(x)) if x > 0 else 1.0 for name, x in largest.items()}
        return Scales({EVENTS: 1.0, **{name: float(size) for name, size in sizes.items()}})


def known_of(design: Experiment, trial: Trial) -> Known:
    """What is known of a trial after its last day."""
    scales = trial.scales(design)
    return known_from(design, scales, tables(design, trial, scales), trial.days)


def known_from(
    design: Experiment, scales: Scales, made: Mapping[str, pa.Table], days: int
) -> Known:
    """What is known after some days whose tables are given."""
    changes = changes_of(made["unit_sums"])
    sums = made["unit_sums"]
    plain = np.logical_and.reduce(
        [sums[name].combine_chunks().to_numpy(zero_copy_only=False) == "" for name in KEYS]
    )
    arrivals = sums.filter(pa.array(plain)).select(["day", "exposed", "arm", "n"])
    end = FIRST + days
    return Known(
        design=design,
        scales=scales,
        as_of=end,
        first=0,
        last=end,
        changes=changes,
        totals=changes.totals(0, end),
        tables={
            "arrivals": arrivals,
            "unit_bins": made["unit_bins"],
            "unit_buckets": made["unit_buckets"],
            **({"event_bins": made["event_bins"]} if "event_bins" in made else {}),
            "unit_faults": faults_table(FIRST, {}),
        },
        faults={},
        digests={},
    )


KEYS = ("column", "one", "other")


def tables(design: Experiment, trial: Trial, scales: Scales) -> dict[str, pa.Table]:
    """unit_sums, unit_bins, unit_buckets and event_bins of all days."""
    quanta = {
        name: np.rint(np.where(trial.active, x, 0.0) / scales.value(name))
        for name, x in trial.values.items()
        if name in design.values
    }
    totals = {EVENTS: np.cumsum(trial.active, axis=1).astype(np.float64)}
    totals |= {name: np.cumsum(x, axis=1) for name, x in quanta.items()}
    parts = [
        _sums(design, trial, scales, totals, column) for column in ("", *sorted(trial.segments))
    ]
    return {
        "unit_sums": pa.concat_tables(parts),
        "unit_bins": _bins(design, trial, totals),
        "unit_buckets": _buckets(design, trial, quanta),
        "event_bins": _events(design, trial),
    }


def _measured(trial: Trial, scales: Scales, totals: Mapping[str, Floats], day: int) -> Measures:
    """Each measure of each unit by the end of a day, in units of its scale."""
    found = {EVENTS: totals[EVENTS][:, day]}
    for name in totals.keys() - {EVENTS}:
        found[name] = totals[name][:, day] * 2.0**-VALUE_BITS
        found[ANY.format(name)] = (totals[name][:, day] != 0).astype(np.float64)
    for name in scales.columns.keys() & trial.covariates.keys():
        before = trial.covariates[name]
        missing = np.isnan(before)
        found[name] = np.where(missing, 0.0, before) / scales.columns[name]
        found[MISSING.format(name)] = missing.astype(np.float64)
    return found


Measures = dict[str, Floats]


def _summands(design: Experiment) -> list[tuple[str, str]]:
    pairs = products(design)
    names = sorted({one for pair in pairs for one in pair})
    return [("", ""), *((name, "") for name in names), *pairs]


def _weights(summands: list[tuple[str, str]], measured: Measures) -> Iterator[Floats]:
    """What each unit adds to each sum."""
    for one, other in summands:
        if not one:
            yield np.ones(len(measured[EVENTS]))
        elif not other:
            yield np.rint(measured[one] * 2.0**VALUE_BITS)
        else:
            yield np.rint((measured[one] * 2.0**12) * (measured[other] * 2.0**12))


def _sums(
    design: Experiment, trial: Trial, scales: Scales, totals: Mapping[str, Floats], column: str
) -> pa.Table:
    """unit_sums of all days of one segment column ("" for everyone)."""
    value = trial.segments[column] if column else np.zeros(len(trial.arm), dtype=np.int64)
    words = int(value.max(initial=0)) + 1
    group = (trial.exposed * 2 + trial.arm) * words + value
    groups, summands = trial.days * 2 * words, _summands(design)
    sums = np.zeros((trial.days + 1, len(summands), groups))
    for day in range(trial.days):
        held = np.flatnonzero(trial.exposed <= day)
        measured = {n: x[held] for n, x in _measured(trial, scales, totals, day).items()}
        for place, weight in enumerate(_weights(summands, measured)):
            sums[day + 1, place] = np.bincount(group[held], weight, groups)
    day, summand, cell = np.nonzero(np.diff(sums, axis=0))
    n = np.diff(sums, axis=0)[day, summand, cell].astype(np.int64)
    one, other = (pa.array([pair[i] for pair in summands], pa.string()) for i in (0, 1))
    spelled = pa.array([f"v{code}" for code in range(words)] if column else [""], pa.string())
    return table(
        "unit_sums",
        {
            "day": FIRST + day,
            "exposed": FIRST + cell // words // 2,
            "arm": cell // words % 2,
            "column": repeat(column, len(n)),
            "value": spelled.take(pa.array(cell % words)),
            "one": one.take(pa.array(summand)),
            "other": other.take(pa.array(summand)),
            "n": n,
        },
    )


def _bins(design: Experiment, trial: Trial, totals: Mapping[str, Floats]) -> pa.Table:
    """unit_bins of all days."""
    binned = [m for m in design.metrics.values() if m.kind == "quantile" or m.winsorise]
    wanted = {m.value for m in binned if not m.of_events}
    none = np.zeros(0, dtype=np.int64)
    keys = {"day": none, "exposed": none, "arm": none, "measure": pa.array([], pa.string())}
    parts = [table("unit_bins", {**keys, "code": none, "n": none, "total": none, "squares": none})]
    for name in sorted(wanted):
        parts += [_bins_of_day(trial, totals[name], name, day) for day in range(trial.days)]
    return pa.concat_tables(parts)


def _bins_of_day(trial: Trial, totals: Floats, name: str, day: int) -> pa.Table:
    """What a day changed: units that did something left their old bins for new ones."""
    now = np.flatnonzero(trial.active[:, day])
    was = now[trial.exposed[now] < day]
    rows = np.concatenate((was, now))
    values = np.concatenate((totals[was, day - 1], totals[now, day])) * 2.0**-VALUE_BITS
    sign = np.repeat([-1.0, 1.0], [len(was), len(now)])
    code = codes(values)
    low = int(code.min(initial=0))
    width = int(code.max(initial=low)) - low + 1
    key = (trial.exposed[rows] * 2 + trial.arm[rows]) * width + code - low
    present, place = np.unique(key, return_inverse=True)
    weights = {
        "n": sign,
        "total": np.rint(values * 2.0**VALUE_BITS) * sign,
        "squares": np.rint((values * 2.0**12) ** 2) * sign,
    }
    found = {
        column: np.bincount(place, weight, len(present)).astype(np.int64)
        for column, weight in weights.items()
    }
    kept = np.flatnonzero(np.logical_or.reduce([x != 0 for x in found.values()]))
    return table(
        "unit_bins",
        {
            "day": np.full(len(kept), FIRST + day),
            "exposed": FIRST + present[kept] // width // 2,
            "arm": present[kept] // width % 2,
            "measure": repeat(name, len(kept)),
            "code": present[kept] % width + low,
            **{column: x[kept] for column, x in found.items()},
        },
    )


def _events(design: Experiment, trial: Trial) -> pa.Table:
    """event_bins of all days: each active day of a unit is one event."""
    found: dict[str, tuple[Ints, ...]] = {}
    for metric in design.metrics.values():
        if metric.of_events and measure_of(metric) not in found:
            unit, day = np.nonzero(trial.active)
            values = trial.values[metric.value][unit, day]
            kept = values != 0 if metric.ignore_zeros else np.ones(len(values), dtype=bool)
            events = (unit[kept], day[kept], codes(values[kept]))
            found[measure_of(metric)] = moves(trial.arm, trial.exposed, *events)
    columns = [np.concatenate(x) for x in zip(*found.values(), strict=True)] if found else []
    names = [repeat(name, len(one[0])) for name, one in found.items()]
    measure = pa.concat_arrays(names) if names else pa.array([], pa.string())
    columns = columns or [np.zeros(0, dtype=np.int64)] * 7
    made = dict(zip(("day", "exposed", "arm", "code", *SUMS), columns, strict=True))
    made |= {"day": made["day"] + FIRST, "exposed": made["exposed"] + FIRST}
    return table("event_bins", {"measure": measure, **made})


def _buckets(design: Experiment, trial: Trial, quanta: Mapping[str, Floats]) -> pa.Table:
    """unit_buckets of all days."""
    bucket = ids.bucket_of(ids.unit_keys(pa.array(trial.named(), pa.string()))).astype(np.int64)
    unit, day = np.nonzero(trial.active)
    group = ((day * trial.days + trial.exposed[unit]) * 2 + trial.arm[unit]) * ids.BUCKETS
    present, place = np.unique(group + bucket[unit], return_inverse=True)
    fresh = (trial.exposed[unit] == day).astype(np.float64)
    done = {"units": fresh, EVENTS: np.ones(len(unit))}
    done |= {f"v{i}": quanta[name][unit, day] for i, name in enumerate(design.values)}
    keys = present // ids.BUCKETS
    return table(
        "unit_buckets",
        {
            "day": FIRST + keys // 2 // trial.days,
            "exposed": FIRST + keys // 2 % trial.days,
            "arm": keys % 2,
            "bucket": present % ids.BUCKETS,
            **{
                name: np.bincount(place, weight, len(present)).astype(np.int64)
                for name, weight in done.items()
            },
        },
    )
