"""Made-up content of the page about an experiment."""

from __future__ import annotations

from functools import cache

from report.specimens import HOSTILE, estimate

from analyzer.experiment.analysis import Analysis
from analyzer.experiment.by_segment import Named
from analyzer.experiment.gaps import Gap
from analyzer.experiment.guard_rails import guard_rails
from analyzer.experiment.looks import Look, stops
from analyzer.experiment.mistakes import Mistake
from analyzer.experiment.readings import Reading
from analyzer.experiment.registration import Registration
from analyzer.experiment.split import Held
from analyzer.report import experiment
from analyzer.stats.novelty import Novelty
from analyzer.stats.result import Undefined, point
from analyzer.verdict import Outcome
from analyzer.window import date

DAY = 20_150


@cache
def hostile() -> bytes:
    """A page whose every name is hostile."""
    return experiment.report(made(HOSTILE, metrics=len(HOSTILE), segments=len(HOSTILE), days=9))


@cache
def large() -> bytes:
    """50 metrics, 50 segments, two months."""
    names = [f"metric_with_a_usual_name_{i}" for i in range(50)]
    return experiment.report(made(names, metrics=50, segments=50, days=60))


def made(
    names: list[str],
    *,
    metrics: int,
    segments: int,
    days: int,
    valid: Outcome = "pass",
    ended: bool = False,
) -> Analysis:
    """An experiment of so many days; every third metric is a guard rail."""
    readings = tuple(_reading(names[i % len(names)], i, ended) for i in range(metrics))
    found = tuple(_look(day) for day in range(days))
    promised = Registration(
        rollout=names[0], primary=names[0], design="0" * 16, weight=0.5, weight_reason=names[1],
        min_effect=0.05, alpha=0.05, power=0.8, sequence_alpha=0.01, final_alpha=0.045,
        n_star=20_000, start=date(DAY), end=date(DAY + 60),
    )  # fmt: skip
    effect, nothing = estimate(0.3), Undefined("half of the units were followed for 3 days")
    return Analysis(
        rollout=names[0],
        as_of=date(DAY + days),
        first=date(DAY),
        last=date(DAY + days),
        days=days,
        ended=ended,
        registration=promised.digest,
        promised=promised,
        n_star=promised.n_star,
        units={"champion": 10_012.0, "challenger": 9_988.0},
        clusters={"champion": 512.0, "challenger": 500.0},
        ratio=point(0.4, 20_000, "sequential"),
        held=(
            Held(
                DAY - 4,
                DAY,
                0.1,
                {"champion": 900.0, "challenger": 100.0},
                point(1.0, 1000, "made up"),
            ),
            Held(DAY, DAY + days, 0.5, {"champion": 10_012.0, "challenger": 9_988.0}, nothing),
        ),
        mixed=point(0.0001, 20_000, "made up"),
        valid=valid,
        readings=readings,
        adjusted={one.metric: 0.03 for one in readings if one.margin is None},
        guard_rails=guard_rails(readings, ended=ended, valid=valid),
        novelty=Novelty(effect, effect, effect, nothing if days < 7 else effect),
        wear=() if days < 7 else tuple(estimate(1 / (1 + k)) for k in range(days // 2)),
        segments=tuple(
            Named(
                names[i % len(names)],
                None if i % 9 == 8 else names[(i + 1) % len(names)],
                1_000.0 + i,
                Undefined("too few", 3) if i % 7 == 6 else estimate(0.1 - i / 100),
                None if i % 7 == 6 else min(1.0, 0.001 * (i + 1)),
                point(0.7, 1000, "made up"),
                i < 4,
            )
            for i in range(segments)
        ),
        worst_split=point(0.7, 1000, "made up"),
        comparisons=segments,
        looks=found,
        stops=stops(found),
        faults={names[2]: 12, names[3]: 3},
        unread=(f"outcomes/{names[5]}.parquet is cut off",),
        gaps=(Gap(names[6], (date(DAY), date(DAY + 1)), 0.01),),
        deciding=(names[6],),
        mistakes=tuple(Mistake("split", f"No reason: {name}") for name in names[:4]),
        notes=tuple(f"Beware of {name}" for name in names[:4]),
    )


def _reading(metric: str, place: int, ended: bool) -> Reading:
    role = "primary" if place == 0 else ("secondary", "guard rail")[place % 3 == 2]
    unknown = Undefined("the control's value is not above 0: no relative effect", 40)
    lift = unknown if place % 5 == 4 else estimate(0.05 - place / 200, 0.04)
    return Reading(
        metric=metric,
        what=f"{metric} per unit",
        kind="mean",
        role=role,
        better="lower" if place % 2 else "higher",
        margin=0.1 if role == "guard rail" else None,
        champion=12.5,
        challenger=None if place % 5 == 4 else 13.0,
        units=20_000.0,
        difference=lift,
        lift=lift,
        final=lift if ended else Undefined("not to be read before the planned end"),
        naive=lift,
        harm=lift,
        p=lift if isinstance(lift, Undefined) else point(0.01, 20_000, "made up"),
        explained=0.3 if place % 2 else 0.0,
        cut=estimate(0.02) if place == 0 else None,
    )


def _look(day: int) -> Look:
    units = 1_000.0 * (day + 1)
    if day == 0:
        few = Undefined("the smaller arm tells as much as 4 events, 25 needed", units)
        return Look(date(DAY + 1), units, few, few, few, few)
    width = 0.3 / (day + 1) ** 0.5
    lift, naive = estimate(0.08, 1.6 * width), estimate(0.08, width if day != 3 else 0.2)
    power = point(min(0.99, day / 70), units, "made up")
    return Look(
        date(DAY + day + 1), units, lift, naive, point(2.4 * width, units, "made up"), power
    )
