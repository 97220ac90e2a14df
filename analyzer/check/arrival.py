"""Where the labels of a sample of requests contradict the declared `[labels] arrival`.

Where labels depend on what the champion did, naive accuracy judges a model on what another let
through; where they are a sample, waiting for the rest never ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analyzer.check.lookup import Bools, Looked, looked
from analyzer.config import Rollout
from analyzer.logs import LogFile
from analyzer.stats.influence import SHARE, over_buckets, ratio
from analyzer.stats.labelled import share_beyond
from analyzer.stats.result import Result
from analyzer.verdict import judge
from analyzer.window import DAY

ALARM = 0.01
"""Chance of a false word, shared by all groups that are compared."""
SHARP = 0.5
"""Labels depend sharply on a group where it has fewer than half the others' share."""
WELL_BELOW, NEARLY_ALL = 0.7, 0.95
"""A sample by design labels fewer than this of the requests; no sample labels more than that."""
SOME = 0.02
"""Share of the stopped requests with labels from which it is said that there are some."""
STEADY = 2.0
"""A week's labelled share lies within this factor of all weeks' where labels are a sample."""
STILL_COMING = 0.02
"""Share of labels that come in the last tenth of open_days or later, from which labels may be
incomplete rather than sampled."""
BURST = 0.5
"""Share of labels on one weekday from which they are said to come in bursts."""
BINS = 8

_DAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")


@dataclass(frozen=True)
class Contradiction:
    """What speaks against the declared arrival. arrival: the one that fits, empty where none is
    certain; `rows` requests were looked up.
    """

    rows: int
    problem: str
    remedy: str
    arrival: str = ""
    mild: bool = False


@dataclass(frozen=True)
class _Group:
    """Rows with one decision or score; `high`: they are what the model would stop."""

    name: str
    rows: Bools
    high: bool


def contradictions(
    rollout: Rollout, files: Mapping[str, Sequence[LogFile]], span: tuple[int, int], as_text: bool
) -> list[Contradiction]:
    """What speaks against the declared arrival; nothing where positives alone are declared.

    files: those of `champion` and `labels` that can be read. span: instants of the first and the
    last label.
    """
    if rollout.labels.arrival == "positives":
        return []
    return list(judged(rollout, looked(rollout, files, span, as_text)))


def judged(rollout: Rollout, seen: Looked) -> Iterator[Contradiction]:
    """What sampled mature requests say about the declared arrival."""
    declared = rollout.labels.arrival
    groups = _groups(seen)
    if not groups:
        return
    if declared == "selective":
        yield from _not_selective(rollout, seen)
        return
    selective = list(_selective(declared, seen, groups))
    yield from selective
    if declared == "both" and not selective:
        yield from _sampled(seen, groups, rollout.labels.open_days)
    every = np.ones(len(seen), np.bool_)
    overall = over_buckets(seen.cells(every), ratio, 1 - ALARM, SHARE)
    whole = seen.share(every)
    if declared == "sampled" and (whole >= 1 or judge(overall, ">", NEARLY_ALL) == "pass"):
        yield Contradiction(
            len(seen),
            f'{whole:.1%} of mature requests have a label, but arrival = "sampled" is declared',
            'write arrival = "both" under [labels]',
            "both",
            mild=True,
        )


def _groups(seen: Looked) -> list[_Group]:
    """By what the champion called, and by equal parts of its scores."""
    found = []
    if len(np.unique(seen.called[seen.called >= 0])) == 2:
        for called, name in (
            (1, "requests that the champion stopped"),
            (0, "requests let through"),
        ):
            found.append(_Group(name, seen.called == called, called == 1))
    known = seen.score[np.isfinite(seen.score)]
    if len(known):
        edges = np.unique(np.quantile(known, np.arange(1, BINS) / BINS))
        place = np.searchsorted(edges, seen.score, side="right")
        for number in range(len(edges) + 1):
            rows = np.isfinite(seen.score) & (place == number)
            if 0 < rows.sum() < len(seen):
                low, high = seen.score[rows].min(), seen.score[rows].max()
                name = f"requests scored {low:.3g} to {high:.3g}"
                found.append(_Group(name, rows, number > len(edges) / 2))
    return found


def _lacking(seen: Looked, group: _Group, confidence: float) -> bool:
    """Whether a group surely has fewer than half the others' share of labels."""
    found = share_beyond(seen.cells(group.rows), seen.cells(~group.rows), SHARP, confidence)
    return judge(found, "<", 0.0) == "pass"


def _selective(declared: str, seen: Looked, groups: Sequence[_Group]) -> Iterator[Contradiction]:
    """Labels that depend on what the champion did, where they should not: the first such group,
    decisions before scores.
    """
    confidence = 1 - ALARM / len(groups)
    group = next((g for g in groups if _lacking(seen, g, confidence)), None)
    if group is None:
        return
    of, others = seen.share(group.rows), seen.share(~group.rows)
    problem = (
        f"{of:.1%} of mature {group.name} have a label, {others:.1%} of the others: labels depend "
        f'on what the champion did, but arrival = "{declared}" is declared'
    )
    if group.high:
        remedy = 'write arrival = "selective" under [labels], if what was stopped gets no label'
        yield Contradiction(len(seen), problem, remedy, "selective")
    else:
        remedy = (
            "log negatives like positives or, if they are not reported, write "
            'arrival = "positives" under [labels]; check `positive_decision`'
        )
        yield Contradiction(len(seen), problem, remedy)


def _not_selective(rollout: Rollout, seen: Looked) -> Iterator[Contradiction]:
    """Labels of stopped requests, where the declared arrival says there are none."""
    stopped, passed = seen.called == 1, seen.called == 0
    if rollout.labels.explore or not stopped.any() or not passed.any():
        return
    of, others = seen.share(stopped), seen.share(passed)
    said = f"{of:.1%} of mature requests that the champion stopped have a label"
    own, rest = seen.cells(stopped), seen.cells(passed)
    if judge(share_beyond(own, rest, SHARP, 1 - ALARM), ">", 0.0) == "pass":
        yield Contradiction(
            len(seen),
            f'{said}, {others:.1%} of those let through, but arrival = "selective" expects none',
            'write arrival = "both" under [labels], or check `positive_decision` and `threshold`',
            "both",
        )
    elif judge(over_buckets(own, ratio, 1 - ALARM, SHARE), ">", SOME) == "pass":
        yield Contradiction(
            len(seen),
            f'{said}, but arrival = "selective" expects none',
            "if they were let through at random, name the column that marks them: `explore` under "
            "[labels]",
            mild=True,
        )


def _sampled(seen: Looked, groups: Sequence[_Group], open_days: int) -> Iterator[Contradiction]:
    """Labels for a steady share of requests well below 1, whatever their score."""
    every = np.ones(len(seen), np.bool_)
    parts = [every, *(group.rows for group in groups)]
    confidence = 1 - ALARM / len(parts)

    def share(rows: Bools) -> Result:
        return over_buckets(seen.cells(rows), ratio, confidence, SHARE)

    if any(judge(share(rows), "<", WELL_BELOW) != "pass" for rows in parts):
        return
    told = seen.label >= 0
    age = (seen.label[told] - seen.ts[told]) / DAY
    if float((age > 0.9 * open_days).mean()) > STILL_COMING or not _steady(seen):
        return
    weekday = np.bincount((seen.label[told] // DAY + 3) % 7, minlength=7)
    burst = weekday.max() > BURST * weekday.sum()
    when = f", most of them on {_DAYS[int(weekday.argmax())]}" if burst else ""
    yield Contradiction(
        len(seen),
        f"{seen.share(every):.1%} of mature requests ever get a label, about as many in every week "
        f'and with every score{when}, but arrival = "both" expects all of them',
        'write arrival = "sampled" under [labels], if which requests get a label is chance',
        "sampled",
    )


def _steady(seen: Looked) -> bool:
    """Whether whole weeks have about the same labelled share; two are needed."""
    week = (seen.ts.max() - seen.ts) // (7 * DAY)
    whole = int((seen.ts.max() - seen.ts.min() + DAY) // (7 * DAY))
    if whole < 2:
        return False
    shares = np.array(
        [seen.share(week == number) for number in range(whole) if (week == number).any()]
    )
    overall = float((seen.label >= 0).mean())
    return bool((shares > overall / STEADY).all() and (shares < overall * STEADY).all())
