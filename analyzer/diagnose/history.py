"""The profiled past of an incident: its calendar, its series, its features, hour by hour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import pyarrow.compute as pc

from analyzer import config
from analyzer.config import Rollout
from analyzer.diagnose import features, series
from analyzer.diagnose.windows import Calendar
from analyzer.diary import Event
from analyzer.drilldown.pairs import SCORE_BITS
from analyzer.drilldown.sample import Cells
from analyzer.onset.comparison import MOST_HOURS
from analyzer.onset.precursors import FeatureCounts, Hours, Precursors, find_precursors
from analyzer.onset.search import Onsets, Timeline, find_onsets
from analyzer.onset.search import Series as Measured
from analyzer.profiles import Profiles
from analyzer.window import HOUR, Window


@dataclass(frozen=True, eq=False)
class History:
    """Profiles of an incident and the weeks before it. All series share the calendar's hours."""

    rollout: Rollout
    profiles: Profiles
    calendar: Calendar

    @classmethod
    def of(cls, rollout: Rollout, profiles: Profiles, events: Sequence[Event]) -> History:
        """The history that `profiles` hold, whole slots of them."""
        calendar = Calendar.of(profiles, events, config.calendar(rollout))
        return cls(rollout, profiles.within(calendar.held), calendar)

    @cached_property
    def counted(self) -> dict[features.Key, features.Counted]:
        """Hourly counts of every feature."""
        return features.counted(self.profiles, self.rollout)

    @cached_property
    def measured(self) -> list[Measured]:
        """Every hourly series that the logs carry."""
        every = list(self.counted.values())
        nulls = None
        if every:
            nulls = sum(one.nulls for one in every), sum(one.counts.sum(axis=1) for one in every)
        return series.measured(self.profiles, HOUR, nulls)  # type: ignore[arg-type]

    def onsets(self, search: Window, trigger: int | None, rollback: int | None) -> Onsets:
        """When each series moved within `search`, told by the clean hours before it."""
        timeline = Timeline(
            self.calendar.held.start,
            HOUR,
            self.calendar.hour_of_week,
            self.calendar.usual,
            self.calendar.place(search.start),
            self.calendar.place(search.end),
            trigger,
            rollback,
        )
        return find_onsets(timeline, self.measured)

    def precursors(
        self,
        onset: tuple[int, int],
        end: int,
        differing: set[str],
        cells: dict[str, Cells],
        shift: float | None,
    ) -> Precursors | None:
        """What every feature did before an onset (an interval); None without features."""
        chosen = features.chosen(self.counted, differing)
        if not chosen:
            return None
        end = min(end, -(-onset[1] // HOUR) * HOUR + MOST_HOURS * HOUR)
        last = min(self.calendar.place(end), len(self.calendar.usual))
        hours = Hours(
            self.calendar.held.start,
            self.calendar.hour_of_week[:last],
            self.calendar.usual[:last],
            onset[0],
            onset[1],
            end,
            shift,
        )
        return find_precursors(hours, [self._counts(one, cells, last) for one in chosen])

    def _counts(self, one: features.Counted, cells: dict[str, Cells], last: int) -> FeatureCounts:
        name = features.name_of(one, self.counted)
        found = cells.get(one.key[1])
        unit = self.profiles.frozen.scale * 2.0**-SCORE_BITS
        means = features.score_means(one, found, unit) if found is not None else None
        return features.as_counts(one, name, means, 0, last)

    def missing_lines(self, window: Window, baseline: Window | None) -> list[str]:
        """In words, which features' values are missing more often than in the baseline."""
        now, before = (
            slice(self.calendar.place(w.start), self.calendar.place(w.end)) if w else None
            for w in (window, baseline)
        )
        return features.missing_lines(self.counted, now or slice(None), before)

    def score_shift(self, window: Window, baseline: Window | None) -> float | None:
        """How far the challenger's mean score moved from the baseline to the incident."""
        if baseline is None:
            return None
        after, before = self._mean_score(window), self._mean_score(baseline)
        return None if after is None or before is None else after - before

    def _mean_score(self, window: Window) -> float | None:
        table = self.profiles.within(window).table("minutes")
        rows = table.filter(pc.equal(table["model"], "challenger"))
        if "score_sum" not in rows.schema.names:
            return None
        n = int(pc.sum(rows["n"]).as_py() or 0) - int(pc.sum(rows["nulls"]).as_py() or 0)
        total = int(pc.sum(rows["score_sum"]).as_py() or 0)
        return total * self.profiles.frozen.quantum / n if n else None
