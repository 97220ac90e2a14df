"""What simulated A/B tests showed, against the targets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

Rows = Sequence[Mapping[str, Any]]
Line = tuple[str, str, str, bool | str | None]
"""What, what was found, the target, whether it is met."""


def met(line: Line) -> str:
    """Whether a line keeps its target, in a word."""
    if isinstance(line[3], str):
        return line[3]
    return "" if line[3] is None else "meets" if line[3] else "MISSES"


def within(hits: float, of: float, low: float, high: float) -> bool | str:
    """Whether a share of runs lies in a range; that it does not may be chance up to 2 SE."""
    p = hits / of
    room = 2 * float(np.sqrt(p * (1 - p) / of))
    if low <= p <= high:
        return True
    return "misses by less than 2 SE" if low - room <= p <= high + room else False


def percent(hits: float, of: float) -> str:
    """A share of runs with its standard error."""
    p = hits / of
    return f"{100 * p:.2f} % of {of:,} (SE {100 * np.sqrt(p * (1 - p) / of):.2f})"


def _logs(found: Rows) -> Iterator[Line]:
    differ = sum(bool(run["differs"]) for run in found)
    yield (
        "tests whose logs say other than their drawn sums",
        f"{differ} of {len(found)}",
        "0",
        (differ == 0),
    )


def _peeking(found: Rows) -> Iterator[Line]:
    for row in found:
        n, name = row["runs"], row["world"]
        yield (
            f"no effect, read daily: better or harm; {name}",
            percent(row["either"], n),
            "<= 5 %",
            within(row["either"], n, 0.0, 0.05),
        )
        yield (
            "... better, harm, invalid",
            f"{row['better']}, {row['harm']}, {row['invalid']}",
            "",
            None,
        )
        yield "... the naive 95 % interval excludes 0", percent(row["naive"], n), "", None


def _coverage(found: Rows) -> Iterator[Line]:
    for row in found:
        name = row["metric"]
        yield (
            f"95 % interval at the end holds the truth: {name}",
            percent(row["once"], max(row["runs"], 1)),
            "93 to 97 %",
            within(row["once"], max(row["runs"], 1), 0.93, 0.97),
        )
        yield (
            "... always-valid, at every look",
            percent(row["always"], row["read"]),
            ">= 95 %",
            within(row["always"], row["read"], 0.95, 1.0),
        )
        if row["width"] is not None:
            yield (
                "... its width over the formula's",
                f"{row['width']:.4f}",
                "0.98 to 1.02",
                (abs(row["width"] - 1) <= 0.02),
            )


def _widths(found: Mapping[str, Any]) -> Iterator[Line]:
    yield (
        "always-valid width of a mean over the formula's",
        f"{found['width']:.4f}",
        ("0.98 to 1.02"),
        abs(found["width"] - 1) <= 0.02,
    )


def _powers(found: Rows) -> Iterator[Line]:
    for row in found:
        for what, units in (("once", "units"), ("sequence", "units of the sequence")):
            how = "the one test" if what == "once" else "the sequence at N*"
            yield (
                f"planned power of 80 %, {how}: {row['plan']}, {row[units]:,} units",
                percent(row[what], row["runs"]),
                "78 to 82 %",
                within(row[what], row["runs"], 0.78, 0.82),
            )


def _decisions(found: Rows) -> Iterator[Line]:
    for row in found:
        lift = f"a true lift of {100 * row['lift']:g} %"
        yield (
            f"sequence certain by N* = {row['n_star']:,}: {lift}",
            percent(row["decided"], row["runs"]),
            "",
            None,
        )
        mean = f"{row['mean']:,.0f} ({row['mean'] / row['once']:.2f} x the one test's)"
        yield "... mean units at its decision, or N*", mean, "", None


def _false_alarms(found: Rows) -> Iterator[Line]:
    for row in found:
        yield (
            f"units as split called invalid, ramp {row['ramp']}",
            percent(row["invalid"], row["runs"]),
            "<= 1 %",
            row["invalid"] / row["runs"] <= 0.01,
        )


def _losses(found: Rows) -> Iterator[Line]:
    for row in found:
        yield (
            f"{100 * row['lost']:g} % of one arm lost: median units when found",
            (f"{row['median']:,.0f}"),
            f"<= {row['by']:,}",
            row["median"] <= row["by"],
        )
        yield (
            f"... found by {row['by']:,}",
            percent(row["found"], row["runs"]),
            ">= 80 %",
            (row["found"] / row["runs"] >= 0.8),
        )


def _ramps(found: Mapping[str, Any]) -> Iterator[Line]:
    n = found["runs"]
    yield (
        "ramp 5 to 50 % without effect: better, harm or invalid",
        percent(found["better"] + found["harm"] + found["invalid"], n),
        "<= 5 %",
        (found["better"] + found["harm"] + found["invalid"]) / n <= 0.05,
    )
    yield (
        "... mean lift",
        f"{100 * found['lift']:+.2f} % (SE {100 * found['lift SE']:.2f})",
        ("0 within 3 SE"),
        abs(found["lift"]) <= 3 * found["lift SE"],
    )
    yield "... the same days pooled", f"{100 * found['pooled']:+.1f} %", "", None


def _novelties(found: Rows) -> Iterator[Line]:
    for row in found:
        faded = "after" in row["world"]
        share = row["wears off"] / row["runs"]
        yield (
            f"said to wear off: {row['world']}",
            percent(row["wears off"], row["runs"]),
            (">= 80 %" if faded else "<= 5 %"),
            share >= 0.8 if faded else share <= 0.05,
        )


def _covariates(found: Rows) -> Iterator[Line]:
    for row in found:
        near = abs(row["found"] - row["predicted"]) <= 3 * row["SE"]
        yield (
            f"variance left by CUPED: {row['world']}",
            (f"{row['found']:.3f} (SE {row['SE']:.3f})"),
            f"{row['predicted']:.3f} as predicted, within 3 SE",
            near,
        )
        yield "... more than without", "", "no, within 3 SE", row["found"] <= 1 + 3 * row["SE"]


LINES: dict[str, Callable[[Any], Iterator[Line]]] = {
    "logs": _logs,
    "peeking": _peeking,
    "coverage": _coverage,
    "shares": _coverage,
    "widths": _widths,
    "powers": _powers,
    "decisions": _decisions,
    "false alarms": _false_alarms,
    "losses": _losses,
    "ramps": _ramps,
    "novelties": _novelties,
    "covariates": _covariates,
}


def page(result: Mapping[str, Any]) -> str:
    """The results for people."""
    known = {name: result[name] for name in LINES if name in result}
    lines = [line for name, part in known.items() for line in LINES[name](part["found"])]
    judged = [line[3] is True for line in lines if line[3] is not None]
    runs = [
        f"| {name} | {part['date']} | {part['seed']} | {part['runs']:,} | "
        f"{part['CPU seconds']:,.0f} | {part['policy']} | "
        + ", ".join(f"{k} {v}" for k, v in sorted(part["versions"].items()))
        + " |"
        for name, part in known.items()
    ]
    return "\n".join(
        [
            "# Simulated A/B tests",
            "",
            f"{sum(judged)} of {len(judged)} targets are met. "
            "`python -m benchmarks.planted.experiments` says what is simulated.",
            "",
            "| what | found | target | |",
            "|---|---|---|---|",
            *(f"| {' | '.join((*line[:3], met(line)))} |" for line in lines),
            "",
            "| simulation | date | seed | runs | CPU seconds | policy | versions |",
            "|---|---|---|---|---|---|---|",
            *runs,
            "",
        ]
    )
