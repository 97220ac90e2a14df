"""Which labels a day changes: the state of each touched request at its end and the day before.

A request's label is the last one with `label_ts` not before the prediction and not after the
day's end. Two different labels at that same last instant contradict each other: the request then
has none, until a later one settles it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzer.labels.events import Events
from analyzer.labels.order import by_key
from analyzer.labels.tables import DAY

Arrays = dict[str, NDArray[Any]]
Ints = NDArray[np.int64]

BLANK, LABELLED, CONFLICT = 0, 1, 2
"""State of a request's label."""

CONFLICTING = "labels contradict each other at the same instant"
EARLY = "label before the prediction"
TOO_OLD = "prediction older than open_days"
ORPHAN = "no prediction in the open window"

THREADS = 2
"""Days that are worked on at once."""

PREFIX_BITS = 24
"""Leading bits of a key by which most rows of other requests are told at once."""


@dataclass(frozen=True, eq=False)
class Changes:
    """Requests of one prediction day whose label a day touches: their rows, and per row the
    state (BLANK, LABELLED, CONFLICT) and label before and after that day.
    """

    rows: Arrays
    before: NDArray[np.int8]
    old: NDArray[Any]
    after: NDArray[np.int8]
    new: NDArray[Any]


class Touched:
    """The requests that one day's labels are about, and all labels they have had."""

    def __init__(self, day: int, open_days: int, today: Events, earlier: Iterable[Events]) -> None:
        self.day, self.open_days = day, open_days
        new = today.rows
        first = _first_of_id(new)
        self.key, self.check = new["key"][first], new["check"][first]
        self.predicted = np.maximum.reduceat(new["predicted"], first) if len(first) else first
        self.prefixes = np.zeros(1 << PREFIX_BITS, dtype=bool)
        self.prefixes[_prefix(self.key)] = True
        self.found = np.zeros(len(first), dtype=bool)
        with ThreadPoolExecutor(THREADS) as threads:  # each looks up a million keys
            parts = [*threads.map(lambda events: self._own(events.rows)[1], earlier), new]
        rows = {name: np.concatenate([part[name] for part in parts]) for name in new}
        order = by_key(*(rows[name] for name in ("key", "check", "ts", "label")))
        self.ts, self.label = rows["ts"][order], rows["label"][order]
        starts = _first_of_id({name: rows[name][order] for name in ("key", "check")})
        self.start, self.end = starts, np.append(starts[1:], len(order))
        group = np.repeat(np.arange(len(starts)), self.end - self.start)
        old = self.ts < day * DAY
        self.middle = self.start + np.bincount(group[old], minlength=len(starts))

    def _own(self, rows: Mapping[str, NDArray[Any]]) -> tuple[Ints, Arrays]:
        """Places among the touched requests, and rows, of those rows that are about them."""
        maybe = np.flatnonzero(self.prefixes[_prefix(rows["key"])])
        place = np.searchsorted(self.key, rows["key"][maybe])
        place = np.minimum(place, max(len(self.key) - 1, 0))
        if not len(self.key):
            maybe, place = maybe[:0], place[:0]
        same = self.key[place] == rows["key"][maybe]
        same &= self.check[place] == rows["check"][maybe]
        maybe, place = maybe[same], place[same]
        return place, {name: values[maybe] for name, values in rows.items()}

    def changes(self, requests: Mapping[str, NDArray[Any]]) -> tuple[Changes, int]:
        """What the day changes among the requests of one prediction day, and how many labels of
        the day came before their prediction.
        """
        place, rows = self._own(requests)
        self.found[place] = True
        before, old = self._state(rows["ts"], self.start[place], self.middle[place])
        after, new = self._state(rows["ts"], self.start[place], self.end[place])
        return Changes(rows, before, old, after, new), self._early(rows["ts"], place)

    def within(self, requests: Mapping[str, NDArray[Any]], reach: int) -> NDArray[np.int8]:
        """What each of some requests was told within `reach` microseconds of its prediction: its
        last label in that time, 0 without any, -1 where two contradict each other.
        """
        at = np.arange(len(requests["key"]))
        place, rows = self._own({**requests, "at": at})
        event = self._events(self.start[place], self.end[place])
        owner = np.repeat(np.arange(len(place)), self.end[place] - self.start[place])
        soon = self.ts[event] <= rows["ts"][owner] + reach
        end = self.start[place] + np.bincount(owner, soon, len(place)).astype(np.int64)
        state, label = self._state(rows["ts"], self.start[place], end)
        told = np.zeros(len(at), dtype=np.int8)
        told[rows["at"]] = np.where(state == LABELLED, label, np.where(state == CONFLICT, -1, 0))
        return told

    def late(self, requests: Mapping[str, NDArray[Any]], reach: int) -> int:
        """Labels of the day that came more than `reach` microseconds after their prediction."""
        place, rows = self._own(requests)
        event = self._events(self.middle[place], self.end[place])
        limit = np.repeat(rows["ts"] + reach, self.end[place] - self.middle[place])
        return int(np.count_nonzero(self.ts[event] > limit))

    @staticmethod
    def _events(start: Ints, end: Ints) -> Ints:
        """Places of the events of each request, one request after the other."""
        length = end - start
        within = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
        places: Ints = np.repeat(start, length) + within
        return places

    def _early(self, predicted: Ints, place: Ints) -> int:
        """Labels of the day that came before the prediction they are about."""
        at = self._events(self.middle[place], self.end[place])
        length = self.end[place] - self.middle[place]
        return int(np.count_nonzero(self.ts[at] < np.repeat(predicted, length)))

    def _state(
        self, predicted: Ints, start: Ints, end: Ints
    ) -> tuple[NDArray[np.int8], NDArray[Any]]:
        """State and label of each request by its events [start, end) since its prediction."""
        last = np.maximum(end - 1, 0)
        known = (end > start) & (self.ts[last] >= predicted)
        other = np.maximum(last - 1, 0)
        twice = known & (last > start) & (self.ts[other] == self.ts[last])
        state = np.where(twice, CONFLICT, np.where(known, LABELLED, BLANK)).astype(np.int8)
        return state, self.label[last]

    def orphans(self) -> dict[str, int]:
        """Requests of the day's labels that no prediction of the open window is about."""
        lost = ~self.found
        old = lost & (self.predicted >= 0) & (self.predicted <= self.day - self.open_days)
        n, aged = int(np.count_nonzero(lost)), int(np.count_nonzero(old))
        return {ORPHAN: n - aged, TOO_OLD: aged}


def _prefix(key: NDArray[np.uint64]) -> Ints:
    return (key >> np.uint64(64 - PREFIX_BITS)).view(np.int64)


def _first_of_id(rows: Mapping[str, NDArray[Any]]) -> Ints:
    """Where another request begins among rows sorted by key and check."""
    key, check = rows["key"], rows["check"]
    new = np.ones(len(key), dtype=bool)
    new[1:] = (key[1:] != key[:-1]) | (check[1:] != check[:-1])
    return np.flatnonzero(new)
