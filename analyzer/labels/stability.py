"""Do labels arrive as they did: slower (completeness is then overstated), or only fewer of them?

A class of which fewer arrive may be slow, may have lost some labels for good, or may simply have
become rarer. Three things tell them apart: the ages of those that came, all classes together
(which do not move with the base rate), and what slowness of that size would have looked like.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analyzer.stats.arrivals import arrival_shortfall, ladder_shift, slowness_fits
from analyzer.stats.maturity import Ladder
from analyzer.stats.result import Estimate, Result, Significance, Undefined
from analyzer.verdict import judge

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RECENT = (4, 14)
"""Cohorts held against the earlier ones: the last four by their counts, the last two weeks by
their ages."""

WEEK = 7
CONFIDENCE = 0.99


@dataclass(frozen=True)
class Stability:
    """What the last cohorts of one class of labels say against the earlier ones.

    `slower`: do the last two weeks' labels arrive later? `fewer`: labels of the last four days
    over what earlier days had at that age; `together` the same of all classes, each label counted
    1 / F; `share` this class's part of all labels. `prompt`: whether those that came are too
    prompt for the others to be merely slow.
    """

    slower: Significance | Undefined
    fewer: Result
    together: Result
    share: float
    prompt: bool

    @property
    def is_slower(self) -> bool:
        """The labels that came are older than they were."""
        found = self.slower
        later = isinstance(found, Significance) and found.statistic > 0
        return later and isinstance(found, Significance) and found.p < 1 - CONFIDENCE

    @property
    def is_rarer(self) -> bool:
        """Fewer labels of this class, and so many more of the others that it is the base rate."""
        if not (_short(self.fewer) and isinstance(self.together, Estimate)):
            return False
        assert isinstance(self.fewer, Estimate)
        if_slow = 1 - self.share * (1 - self.fewer.value)
        return judge(self.together, ">", if_slow) == "pass"

    @property
    def missing(self) -> Estimate | None:
        """Fewer labels than there should be, whatever the base rate: in which of the two it is
        seen. A class of which there are more than usual misses none.
        """
        if not isinstance(self.fewer, Estimate) or self.fewer.value >= 1:
            return None
        for found in (self.together, None if self.is_rarer else self.fewer):
            if isinstance(found, Estimate) and _short(found):
                return found
        return None

    def alarm(self, whose: str) -> str:
        """Why completeness may be overstated, in words; else empty."""
        if self.is_slower:
            return f"{whose} have become slower in the last two weeks"
        missing = self.missing
        if missing is None or self.prompt:
            return ""
        return f"{self._seen(whose, missing)}: slower, or fewer; their ages cannot tell yet"

    def note(self, whose: str) -> str:
        """What else changed, but leaves completeness as it is, in words; else empty."""
        missing = self.missing
        if self.is_slower:
            return ""
        if missing is not None and self.prompt:
            return f"{self._seen(whose, missing)}, though no slower: some never come"
        if self.is_rarer:
            assert isinstance(self.fewer, Estimate)
            return (
                f"{whose} are {self.fewer.value:.0%} of what earlier days had by the same age, and "
                "others are more: the base rate moved, labels are no slower"
            )
        return ""

    def _seen(self, whose: str, missing: Estimate) -> str:
        of = "labels of all classes together" if missing is self.together else whose
        return f"{of} are {missing.value:.0%} of what earlier days had by the same age"


def _short(found: Result) -> bool:
    return judge(found, "<", 1.0) == "pass"


NOT_ASKED = Undefined("labels come in weekly uploads: their ages say little within a week")
"""Where uploads follow the week, a weekday would look like a slowdown."""

UPLOADS = Stability(NOT_ASKED, NOT_ASKED, NOT_ASKED, 1.0, False)


@dataclass(frozen=True, eq=False)
class Cohorts:
    """Labels of one class on the days that are used: counts by day and age, ages lived, rows of
    each day, completeness by age.
    """

    counts: Floats
    observed: Ints
    rows: Floats
    ladder: Ladder

    @property
    def complete(self) -> Floats:
        """F of each age of `counts`."""
        return np.array([self.ladder.at(age) for age in range(self.counts.shape[1])])

    @property
    def weight(self) -> float:
        """Labels that the cohorts will have: all but the youngest, completed."""
        last = np.maximum(self.observed - 1, 0)
        complete = self.complete[np.minimum(last, self.counts.shape[1] - 1)]
        return float(np.sum(self.counts.sum(axis=1)[complete > 0] / complete[complete > 0]))


def stability(mine: Cohorts, others: Sequence[Cohorts]) -> Stability:
    """Hold the last cohorts of a class against the earlier ones. others: every other class, of
    the same days; none where other classes never come.
    """
    recent, long = RECENT
    slower = ladder_shift(mine.counts, mine.observed, long)
    at = (mine.observed, mine.rows, recent, CONFIDENCE)
    fewer = arrival_shortfall(mine.counts, *at)
    every = [mine, *others]
    together: Result = Undefined("no other class of labels arrives")
    if others:
        complete = np.stack([x.complete for x in every])
        together = arrival_shortfall(np.stack([x.counts for x in every]), *at, complete)
    share = mine.weight / max(sum(x.weight for x in every), 1e-12)
    found = Stability(slower, fewer, together, share, False)
    missing = found.missing
    if missing is None:
        return found
    prompt = _prompt(mine, missing.value, recent) or _was_prompt(mine)
    return Stability(slower, fewer, together, share, prompt)


def _was_prompt(mine: Cohorts) -> bool:
    """The same of the week before the last, if it is short of labels too: it has lived long
    enough for ages to tell more.
    """
    before = replace(
        mine, counts=mine.counts[:-WEEK], observed=mine.observed[:-WEEK], rows=mine.rows[:-WEEK]
    )
    short = arrival_shortfall(before.counts, before.observed, before.rows, WEEK, CONFIDENCE)
    return _short(short) and isinstance(short, Estimate) and _prompt(before, short.value, WEEK)


def _prompt(mine: Cohorts, ratio: float, recent: int) -> bool:
    """Whether the last cohorts' labels are too prompt for slowness that leaves `ratio` of them,
    and no later than usual.
    """
    columns = (mine.counts, mine.observed, mine.rows, mine.complete)
    slowed, usual = (slowness_fits(*columns, of, recent) for of in (ratio, 1.0))
    if isinstance(slowed, Undefined) or isinstance(usual, Undefined):
        return False
    late = usual.statistic > 0 and usual.p < 1 - CONFIDENCE
    return slowed.statistic < 0 and slowed.p < 1 - CONFIDENCE and not late
