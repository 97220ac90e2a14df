"""Checks of the data itself: what cannot be trusted never turns into a pass."""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from analyzer.logs import SIDES
from analyzer.measure import by_hour, feature_nulls, hourly, realised
from analyzer.phases.gate import Material, check, percent, share_with_interval
from analyzer.profile import ERROR_UNKNOWN
from analyzer.stats.result import point
from analyzer.verdict import Check
from analyzer.window import HOUR, show

DAY_HOURS = 24


def log_checks(material: Material) -> list[Check]:
    """Files, versions, duplicates, unusable values, days without a log."""
    return [
        *reading_checks(material),
        *_versions(material),
        *_duplicates(material),
        *_unscored(material),
        _days(material),
    ]


def reading_checks(material: Material) -> list[Check]:
    """Whether the logs could be read: files, profiles made alike, unusable values."""
    return [_files(material), _store(material), *_rejects(material)]


def coverage_sums(material: Material) -> dict[str, int]:
    """The sums of the window's `coverage` table."""
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


def _store(material: Material) -> Check:
    """Slots whose logs are gone keep their profile; after a change of `rollout.toml` they stay
    what they were and do not add up with the new ones.
    """
    manifests = material.profiles.manifests
    kinds = len({m.depends for m in manifests})
    sentence = (
        f"All {len(manifests)} profiled slots were made alike."
        if kinds == 1
        else f"The {len(manifests)} profiled slots were made by {kinds} different configurations "
        "or versions and cannot be added up: scan again, or choose a window of one."
    )
    return check(
        material,
        "data.store",
        "data",
        "configurations the profiles were made by",
        point(float(kinds), len(manifests), "counted"),
        "<=",
        1.0,
        sentence,
        outcome="pass" if kinds == 1 else "invalid",
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


def _duplicates(material: Material) -> list[Check]:
    sums = coverage_sums(material)
    limit = material.limits.max_duplicates
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
    sums = coverage_sums(material)
    limit = material.policy.data.max_rejected_share
    checks = []
    for side in SIDES:
        unusable = pc.not_equal(table["reason"], ERROR_UNKNOWN)
        rows = table.filter(pc.and_(pc.equal(table["model"], side), unusable))
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


def dark_hours(material: Material) -> int:
    """Hours in which the model that serves logged nothing."""
    return int(material.window.hours) - len(_busy_hours(material))


def watched_hours(material: Material) -> int:
    """Hours from the window's first to its last with traffic of the model that serves."""
    busy = _busy_hours(material)
    return int(busy[-1] - busy[0]) + 1 if len(busy) else 0


def _busy_hours(material: Material) -> NDArray[np.int64]:
    rows = f"{material.serves}_rows"
    hours = by_hour(material.profiles, material.profiles.table("coverage"), [rows])
    return np.flatnonzero(hours[rows])


def _days(material: Material) -> Check:
    """A whole day without a row of the serving model inside the phase: its logs are missing."""
    busy = _busy_hours(material)
    # the window's ends count too: logs that began late, or that stopped
    edges = np.concatenate(([-1], busy, [int(material.window.hours)]))
    gaps = np.diff(edges) - 1
    longest = int(gaps.max(initial=0))
    missing = longest >= DAY_HOURS
    at = int(edges[int(np.argmax(gaps))]) + 1
    sentence = (
        f"The {material.serves} logged nothing for {longest} h from "
        f"{show(material.window.start + at * HOUR)}: logs are missing, or choose a window "
        "without that time."
        if missing
        else f"No whole day of the phase is without {material.serves} rows."
    )
    return check(
        material,
        "data.days",
        "data",
        f"longest time without {material.serves} rows, hours",
        point(float(longest), len(busy), "counted"),
        "<",
        float(DAY_HOURS),
        sentence,
        outcome="invalid" if missing else "pass",
    )


def _unscored(material: Material) -> list[Check]:
    """Requests that the challenger answered without an error and without a usable prediction.

    The champion's own share is allowed for: some models abstain.
    """
    counted = {side: _predictions(material, side) for side in SIDES}
    ours, theirs = counted["champion"], counted["challenger"]
    usual = ours[0] / ours[1] if ours[1] else 0.0
    limit = material.policy.data.max_rejected_share + usual
    result = realised(theirs[0], theirs[1], "requests without error and without a prediction")
    return [
        check(
            material,
            "data.unscored.challenger",
            "data",
            "answers without a prediction",
            result,
            "<=",
            limit,
            f"{theirs[0]:,} of {theirs[1]:,} challenger requests have no usable prediction beyond "
            f"those that failed: {share_with_interval(result)}; at most {percent(limit)}, the "
            f"champion's own share and {percent(material.policy.data.max_rejected_share)} more.",
        )
    ]


def _predictions(material: Material, side: str) -> tuple[int, int]:
    """Requests without a usable prediction beyond those that failed, and all requests."""
    sums = hourly(material.profiles, side)
    rows, missing = sums.total("n"), sums.total("nulls")
    if material.rollout.score.type == "class":
        missing = feature_nulls(material.profiles, side, "prediction").total("nulls")
    return max(missing - sums.total("errors"), 0), rows
