"""Checks of the data itself: what cannot be trusted never turns into a pass."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from analyzer.logs import SIDES
from analyzer.measure import by_hour, realised
from analyzer.phases.gate import Material, check, percent, share_with_interval
from analyzer.stats.result import Result, Undefined, point
from analyzer.verdict import Check
from analyzer.window import Window


def data_checks(material: Material) -> list[Check]:
    """Files, versions, coverage, duplicates, unusable values, clocks, unwatched minutes."""
    return [
        _files(material),
        *_versions(material),
        _coverage(material),
        _strangers(material),
        *_duplicates(material),
        *_rejects(material),
        _clocks(material),
        _unwatched(material),
    ]


def _coverage_sums(material: Material) -> dict[str, int]:
    table = material.profiles.table("coverage")
    return {c: pc.sum(table[c]).as_py() or 0 for c in table.schema.names if c != "hour"}


def _files(material: Material) -> Check:
    window = material.window
    bad = [
        file
        for file in material.problems
        if file.first is None or file.overlaps(window.start, window.end)
    ]
    named = "; ".join(f"{file.name} {file.problem}" for file in bad[:5])
    more = f" and {len(bad) - 5} more" if len(bad) > 5 else ""
    sentence = (
        f"{len(bad)} log file(s) could not be used, so rows of this window may be missing: "
        f"{named}{more}."
        if bad
        else "Every log file could be read."
    )
    return check(
        material,
        "data.files",
        "data",
        "unusable log files",
        point(float(len(bad)), len(bad), "counted"),
        "<=",
        0.0,
        sentence,
        outcome="invalid" if bad else "pass",
    )


def _versions(material: Material) -> list[Check]:
    table = material.profiles.table("values")
    checks = []
    for side in SIDES:
        chosen = pc.and_(pc.equal(table["model"], side), pc.equal(table["column"], "version"))
        rows = table.filter(chosen)
        if not rows.num_rows:
            continue
        found = sorted(str(v) for v in pc.unique(rows["value"]).to_pylist())
        sentence = (
            f"The {side}'s log holds one model version, {found[0]}."
            if len(found) == 1
            else f"The {side}'s log mixes model versions {', '.join(found[:5])}: one verdict "
            "cannot speak for several models; choose a window with one."
        )
        checks.append(
            check(
                material,
                f"data.version.{side}",
                "data",
                "model versions in the window",
                point(float(len(found)), len(found), "counted"),
                "<=",
                1.0,
                sentence,
                outcome="pass" if len(found) == 1 else "invalid",
            )
        )
    return checks


def _coverage(material: Material) -> Check:
    sums = _coverage_sums(material)
    rows = sums["champion_rows"] - sums["champion_duplicates"]
    result = realised(sums["matched"], rows, "champion requests with a shadow row, counted")
    mirrored = material.rollout.shadow.mirror_share
    limit = material.policy.shadow.min_coverage * mirrored
    return check(
        material,
        "data.coverage",
        "data",
        "pair coverage",
        result,
        ">=",
        limit,
        f"{sums['matched']:,} of {rows:,} champion requests have a shadow row: "
        f"{share_with_interval(result)}; needed {percent(limit)}.",
        counts={"matched": sums["matched"], "champion_requests": rows},
    )


def _strangers(material: Material) -> Check:
    """A challenger's rows that the champion never saw: logs are missing, or roles are swapped."""
    sums = _coverage_sums(material)
    rows = sums["challenger_rows"] - sums["challenger_duplicates"]
    result = realised(sums["only_challenger"], rows, "challenger requests unknown to the champion")
    limit = 1 - material.policy.shadow.min_coverage
    return check(
        material,
        "data.strangers",
        "data",
        "shadow requests the champion never saw",
        result,
        "<=",
        limit,
        f"{sums['only_challenger']:,} of {rows:,} challenger requests were not seen by the "
        f"champion: {share_with_interval(result)}, at most {percent(limit)} expected. More means "
        "that logs are missing, or that champion and challenger are swapped.",
        counts={"only_challenger": sums["only_challenger"], "challenger_requests": rows},
    )


def _duplicates(material: Material) -> list[Check]:
    sums = _coverage_sums(material)
    limit = material.policy.shadow.max_duplicates
    checks = []
    for side in SIDES:
        found, rows = sums[f"{side}_duplicates"], sums[f"{side}_rows"]
        result = realised(found, rows, "rows whose request id was logged before")
        checks.append(
            check(
                material,
                f"data.duplicates.{side}",
                "data",
                "duplicate request ids",
                result,
                "<=",
                limit,
                f"{found:,} of {rows:,} {side} rows repeat a request id: "
                f"{share_with_interval(result)}; at most {percent(limit)}. The earliest pairs.",
                counts={f"{side}_duplicates": found, f"{side}_rows": rows},
            )
        )
    return checks


def _rejects(material: Material) -> list[Check]:
    table = material.profiles.table("rejects")
    sums = _coverage_sums(material)
    limit = material.policy.data.max_rejected_share
    checks = []
    for side in SIDES:
        rows = table.filter(pc.equal(table["model"], side))
        counts = rows.group_by("reason").aggregate([("n", "sum")]).sort_by("reason").to_pylist()
        total = sum(item["n_sum"] for item in counts)
        result = realised(total, max(sums[f"{side}_rows"], total), "values that cannot be used")
        named = ", ".join(f"{item['reason']} {item['n_sum']:,}" for item in counts) or "none"
        checks.append(
            check(
                material,
                f"data.rejected.{side}",
                "data",
                "values that cannot be used",
                result,
                "<=",
                limit,
                f"Values of the {side} that cannot be used: {named}; "
                f"{share_with_interval(result)}, at most {percent(limit)}.",
                counts={f"{side}_rejected": total, f"{side}_rows": sums[f"{side}_rows"]},
            )
        )
    return checks


def _clocks(material: Material) -> Check:
    sums = _coverage_sums(material)
    limit = material.policy.data.max_clock_skew_seconds
    skew: Result
    if not sums["matched"]:
        skew = Undefined("no request was matched")
        text = "cannot be said, no request was matched"
    else:
        seconds = sums["lag_us"] / sums["matched"] / 1e6
        skew = point(abs(seconds), sums["matched"], "mean time from champion row to shadow row")
        text = f"{seconds:.3g} s on average"
    return check(
        material,
        "data.clocks",
        "data",
        "clock skew between the logs",
        skew,
        "<=",
        limit,
        f"Time from a champion row to its shadow: {text}; at most {limit:g} s.",
    )


def unwatched_minutes(material: Material) -> tuple[int, int]:
    """Minutes with champion traffic, and those of them in which no request has a shadow row."""
    table = material.profiles.table("minutes")
    champion = pc.unique(table.filter(pc.equal(table["model"], "champion"))["minute"])
    pairs = pc.unique(table.filter(pc.equal(table["model"], "pair"))["minute"])
    seen = pc.sum(pc.is_in(champion, value_set=pairs)).as_py() or 0
    return len(champion), len(champion) - seen


def _unwatched(material: Material) -> Check:
    busy, unwatched = unwatched_minutes(material)
    limit = material.policy.data.max_unwatched_minutes_share
    result = realised(unwatched, busy, "minutes with champion traffic and no shadow row")
    hours = _dark_hours(material)
    empty = f" In {hours:,} whole hours the champion logged nothing." if hours else ""
    return check(
        material,
        "data.unwatched",
        "data",
        "minutes without shadow",
        result,
        "<=",
        limit,
        f"{unwatched:,} of {busy:,} minutes with champion traffic have no shadow row: "
        f"{share_with_interval(result)}; at most {percent(limit)}.{empty}",
        counts={"unwatched_minutes": unwatched, "busy_minutes": busy},
    )


def _dark_hours(material: Material) -> int:
    hours = by_hour(material.profiles, material.profiles.table("coverage"), ["champion_rows"])
    return int(np.count_nonzero(hours["champion_rows"] == 0))


def missing_days(material: Material) -> list[Window]:
    """Slots of the window that the store does not hold at all."""
    held = pa.array([m.start for m in material.profiles.manifests], pa.int64()).to_pylist()
    length = material.rollout.time.slot_hours * 3_600_000_000
    first = material.window.start // length * length
    starts = range(first, material.window.end, length)
    return [Window(start, start + length) for start in starts if start not in held]
