"""How much a service's volume strays from what is usual on days that nothing happened to."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from analyzer.baseline import DAY_HOURS, DAYS_BACK, SATURDAY
from analyzer.slo.history import History, by_hour
from analyzer.stats.result import Undefined
from analyzer.stats.scatter import Scatter, scatter
from analyzer.weeks import local_hours

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Course = tuple[Ints, Ints, Ints, Bools]


@dataclass(frozen=True, eq=False)
class Strays:
    """Learnt from the hours before the window, of the requests answered by all models together.

    weeks: how many weeks a baseline stands on; phi: how much minutes are burstier than Poisson;
    found: what was asked so far.
    """

    past: History
    weeks: int
    phi: float
    found: dict[tuple[int, bool], Scatter | Undefined] = field(default_factory=dict)

    def over(self, hours: int, weekly: bool) -> Scatter | Undefined:
        """Of runs of so many hours: between weeks; where the baseline is but the clean day before,
        between days of one kind (working days, weekends).
        """
        key = hours, weekly
        if key not in self.found:
            course = self._between_weeks if weekly else self._between_days
            self.found[key] = scatter(*course, hours, self.phi)
        return self.found[key]

    @cached_property
    def _hours(self) -> Course:
        """Before the window: counts, local hours of the week, hours to the window's start, and
        whether an hour is ordinary.
        """
        end = self.past.inside.start
        keys, _ = local_hours(self.past.start, end, self.past.zone)
        counts = by_hour(self.past.requests)[:end]
        return counts, keys, np.arange(end, 0, -1) - 1, self.past.ordinary[:end]

    @cached_property
    def _between_weeks(self) -> Course:
        """The newest weeks of 168 hours with ordinary ones, as many as a baseline stands on."""
        counts, keys, back, ordinary = self._hours
        cycle = back // (7 * DAY_HOURS)
        newest = np.unique(cycle[ordinary & (counts > 0)])[: self.weeks]
        return counts, keys, -cycle, ordinary & np.isin(cycle, newest)

    @cached_property
    def _between_days(self) -> Course:
        """The days before the window in which a clean day is looked for."""
        counts, keys, back, ordinary = self._hours
        day = back // DAY_HOURS
        kind = keys % DAY_HOURS + DAY_HOURS * (keys >= SATURDAY)
        return counts, kind, -day, ordinary & (day < DAYS_BACK)
