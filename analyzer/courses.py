"""How things went over a window: traffic, divergence, latency and drift by step of time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analyzer.binned import fine_bins
from analyzer.column_counts import Counts, Key, counts_of
from analyzer.diagnose.findings import Hours, Latency
from analyzer.drift import psi_of
from analyzer.logs import SIDES
from analyzer.measure import hourly, quantile_of_bins
from analyzer.profiles import Profiles
from analyzer.stats.psi import Psi
from analyzer.stats.result import Estimate
from analyzer.window import DAY, HOUR, Window, show

SPARK_DAYS = 30
MOST_STEPS = 168
Ints = NDArray[np.int64]


def step_hours(window: Window) -> int:
    """1, 6 or 24 hours: the shortest step with at most 168 of them in the window."""
    return next((step for step in (1, 6) if window.hours / step <= MOST_STEPS), 24)


def traffic(profiles: Profiles) -> Hours:
    """Requests by step: columns champion, challenger, pairs, failed_champion, failed_challenger,
    mean_difference, mean_absolute (of pairs, challenger minus champion) and flips (share).
    """
    step = step_hours(profiles.window)
    sums = {model: hourly(profiles, model) for model in (*SIDES, "pair")}
    pair = sums["pair"]
    n = _stepped(pair["n"] - pair["nulls"], step)
    quantum = profiles.frozen.quantum
    return _hours(
        profiles.window,
        step,
        {
            **{model: _plain(_stepped(sums[model]["n"], step)) for model in SIDES},
            "pairs": _plain(_stepped(pair["n"], step)),
            **{f"failed_{m}": _plain(_stepped(sums[m]["errors"], step)) for m in SIDES},
            "mean_difference": _ratio(_stepped(pair["difference_sum"], step), n, quantum),
            "mean_absolute": _ratio(_stepped(pair["difference_absolute"], step), n, quantum),
            "flips": _ratio(_stepped(pair["flips"], step), _stepped(pair["decided"], step)),
        },
    )


def percentiles(profiles: Profiles) -> list[Latency]:
    """P50 and P99 in ms and the number of requests by step; None where requests are too few."""
    step = step_hours(profiles.window)
    count = -(-(profiles.window.end - profiles.window.start) // (step * HOUR))
    return [
        Latency(model=model, hours=_hours(profiles.window, step, columns))
        for model in SIDES
        if any((columns := _percentiles(profiles, model, step, count))["n"])
    ]


def _percentiles(
    profiles: Profiles, model: str, step: int, count: int
) -> dict[str, list[float | None]]:
    hour, code, n = fine_bins(profiles, model, "latency_ms")
    order = np.argsort(hour, kind="stable")
    place, code, n = hour[order] // step, code[order], n[order]
    bounds = np.searchsorted(place, np.arange(count + 1))
    columns: dict[str, list[float | None]] = {"p50": [], "p99": [], "n": []}
    for low, high in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        for name, q in (("p50", 0.5), ("p99", 0.99)):
            found = quantile_of_bins(profiles, code[low:high], n[low:high], q)
            columns[name].append(found.value if isinstance(found, Estimate) else None)
        columns["n"].append(float(n[low:high].sum()))
    return columns


def daily_psi(profiles: Profiles, reference: Mapping[Key, Counts]) -> dict[Key, Hours]:
    """PSI of each of the last 30 days up to the window's end against the reference.

    None where a day was not profiled or the column not logged.
    """
    last = profiles.window.end // DAY * DAY
    first = max(last - SPARK_DAYS * DAY, min(m.start for m in profiles.store.manifests().values()))
    days = [Window(at, at + DAY) for at in range(-(-first // DAY) * DAY, last, DAY)]
    found: dict[Key, list[float | None]] = {key: [] for key in reference}
    for day in days:
        part = profiles.within(day)
        counts = counts_of(part, True) if part.manifests else {}
        for key, values in found.items():
            psi = psi_of(reference[key], counts[key]) if key in counts else None
            values.append(psi.raw if isinstance(psi, Psi) else None)
    if not days:
        return {}
    return {
        key: Hours(start=show(days[0].start), step_minutes=24 * 60, columns={"psi": values})
        for key, values in found.items()
    }


def rejected(profiles: Profiles) -> list[tuple[str, str, int]]:
    """(model, reason, rows) of what could not be used in full."""
    table: pa.Table = profiles.table("rejects").group_by(["model", "reason"])
    sums = table.aggregate([("n", "sum")])
    return sorted((r["model"], r["reason"], r["n_sum"]) for r in sums.to_pylist())


def _hours(window: Window, step: int, columns: dict[str, list[float | None]]) -> Hours:
    return Hours(start=show(window.start), step_minutes=step * 60, columns=columns)


def _stepped(hours: Ints, step: int) -> Ints:
    return np.add.reduceat(hours, np.arange(0, len(hours), step))


def _plain(values: Ints) -> list[float | None]:
    return [float(x) for x in values.tolist()]


def _ratio(over: Ints, under: Ints, unit: float = 1.0) -> list[float | None]:
    pairs: Sequence[tuple[int, int]] = zip(over.tolist(), under.tolist(), strict=True)  # type: ignore[assignment]
    return [a * unit / b if b else None for a, b in pairs]
