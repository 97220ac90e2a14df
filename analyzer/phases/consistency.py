"""Does the challenger predict as it did in the shadow phase? The same model, the same hours."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from analyzer.config import calendar
from analyzer.errors import StoreError
from analyzer.measure import BLOCK_HOURS, class_cells, class_labels, score_cells
from analyzer.phases.gate import Material, check, number_with_interval
from analyzer.profiles import Profiles
from analyzer.stats.dependence import combined_design_effect
from analyzer.stats.psi import psi_design_effect, psi_interval
from analyzer.stats.result import Result, Undefined
from analyzer.stats.sequential import hourly_look, spend
from analyzer.verdict import Check
from analyzer.window import HOUR, Window

BEFORE = "shadow"
MIN_BLOCKS = 4
REMEDY = "record its start (`analyzer event add phase shadow --at TIME`) and scan its logs"
Floats = NDArray[np.float64]


def scores_as_before(material: Material, limit: float) -> Check:
    """Debiased PSI of the challenger's scores or classes against the shadow phase's."""
    result = since_shadow(material)
    said = f"{number_with_interval(result)}; at most {limit:g}"
    sentence = (
        f"{result.reason.capitalize()}: {REMEDY}."
        if isinstance(result, Undefined) and not result.n
        else f"The challenger's predictions against its own in the {BEFORE} phase, at the same "
        f"hours of the day: debiased PSI {said}."
    )
    return check(
        material,
        "model.score_psi",
        "model",
        f"PSI of the challenger's scores against the {BEFORE} phase",
        result,
        "<=",
        limit,
        sentence,
    )


def since_shadow(material: Material, more: float = 1.0) -> Result:
    """The PSI. more: how many times as much of the same traffic to suppose.

    The interval spends its error over hourly readings, most at the shortest allowed duration, and
    some over those before it. Undefined with n = 0 where the shadow phase is not known.
    """
    before = shadow_profiles(material)
    if isinstance(before, Undefined):
        return before
    then, now = _cells(material, before), _cells(material, material.profiles, before)
    usual = _usual_hours(material, before, then)
    known = np.isfinite(usual.sum(axis=1))
    now, usual = now * known[:, None], np.where(known[:, None], usual, 0.0)
    width = BLOCK_HOURS if len(now) >= MIN_BLOCKS * BLOCK_HOURS else 1
    at = np.arange(0, len(now), width)
    first, second = (np.add.reduceat(table, at, axis=0) for table in (usual, now))
    effect = psi_design_effect(first, second)
    seen = float(now.sum())
    if isinstance(effect, Undefined):
        return Undefined(effect.reason, max(seen, 1.0))
    if effect.n < MIN_BLOCKS:
        return Undefined(
            f"{effect.n:g} blocks of hours with scores, {MIN_BLOCKS} needed", max(seen, 1.0)
        )
    look = hourly_look(int(material.window.hours), material.limits.min_hours)
    return psi_interval(
        first.sum(axis=0),
        second.sum(axis=0) * more,
        deff=combined_design_effect(effect, minimum_blocks=MIN_BLOCKS),
        alpha=spend(1 - material.limits.confidence, look),
    )


def _cells(material: Material, profiles: Profiles, other: Profiles | None = None) -> Floats:
    """The challenger's scores or classes by hour; classes of both windows."""
    if material.rollout.score.type != "class":
        return score_cells(profiles, "challenger")
    both = (profiles, other or material.profiles)
    classes = sorted({label for one in both for label in class_labels(one)})
    return class_cells(profiles, "challenger", classes)


def shadow_profiles(material: Material) -> Profiles | Undefined:
    """Profiles of the last shadow phase before this window, by the diary."""
    starts = [e.at for e in material.events if e.kind == "phase"]
    began = [
        e.at
        for e in material.events
        if e.kind == "phase" and e.phase == BEFORE and e.at < material.window.start
    ]
    if not began:
        return Undefined(f"when the {BEFORE} phase began is not recorded in the diary")
    last = max(began)
    end = min([at for at in starts if at > last], default=material.window.start)
    end = min(end, material.window.start)
    window = Window(-(-last // HOUR) * HOUR, end // HOUR * HOUR)
    if window.end <= window.start:
        return Undefined(f"the {BEFORE} phase holds no whole hour by the diary")
    before = material.profiles.within(window)
    try:
        rows = pc.sum(before.table("coverage")["challenger_rows"]).as_py() or 0
    except StoreError:
        rows = 0
    if not rows:
        return Undefined(f"the {BEFORE} phase {window} has no profiles with challenger rows")
    versions = [_versions(profiles) for profiles in (before, material.profiles)]
    if all(versions) and versions[0] != versions[1]:
        return Undefined(
            f"the {BEFORE} phase's challenger was version {', '.join(sorted(versions[0]))}, now it "
            f"is {', '.join(sorted(versions[1]))}",
            float(rows),
        )
    return before


def _versions(profiles: Profiles) -> set[str]:
    table = profiles.table("values")
    chosen = pc.and_(pc.equal(table["model"], "challenger"), pc.equal(table["column"], "version"))
    return {str(v) for v in pc.unique(table.filter(chosen)["value"]).to_pylist()}


def _usual_hours(material: Material, before: Profiles, cells: Floats) -> Floats:
    """For each hour of the window the mean of the shadow phase's hours at that hour of the day,
    where people live; NaN where it has none with scores.
    """
    zone = calendar(material.rollout)

    def clock(start: int, hours: int) -> NDArray[np.int64]:
        instants = [(start + hour * HOUR) // 1_000_000 for hour in range(hours)]
        return np.array([datetime.fromtimestamp(i, UTC).astimezone(zone).hour for i in instants])

    then = clock(before.window.start, len(cells))
    busy = cells.sum(axis=1) > 0
    usual = np.full((24, cells.shape[1]), np.nan)
    for hour in range(24):
        chosen = busy & (then == hour)
        if chosen.any():
            usual[hour] = cells[chosen].mean(axis=0)
    return usual[clock(material.window.start, int(material.window.hours))]
