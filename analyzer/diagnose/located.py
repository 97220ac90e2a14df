"""Where in time an incident lies, with what it is compared, and with what that is compared."""

from __future__ import annotations

from dataclasses import dataclass

from analyzer.diagnose.history import History
from analyzer.diagnose.windows import (
    Asked,
    FirstOnset,
    baseline_of,
    first_onset,
    incident_window,
)
from analyzer.onset.search import Onsets
from analyzer.window import Window, parse


@dataclass(frozen=True)
class Located:
    """The incident's window and why it is that one, its baseline by which rule, the null run's.

    onset: of the series that moved first. between: the interval in which it lies, the window's
    start where none was located, microseconds UTC.
    """

    question: Asked
    onsets: Onsets
    onset: FirstOnset | None
    between: tuple[int, int]
    window: Window
    why: str
    baseline: Window | None
    rule: str
    null: Window | None

    @property
    def quiet_until(self) -> int:
        """Until when nothing had happened yet, microseconds UTC."""
        return min(self.window.start, self.between[0])


def locate(history: History, question: Asked) -> Located:
    """Find the onset in every series, then the windows that follow from it."""
    onsets = history.onsets(question.search, question.trigger, question.rollback)
    window, why = incident_window(question, onsets, history.calendar)
    onset = first_onset(onsets)
    between = (parse(onset.low), parse(onset.high)) if onset else (window.start, window.start)
    before = min(window.start, between[0])
    baseline, rule = baseline_of(window, before, history.calendar)
    null = baseline_of(baseline, baseline.start, history.calendar)[0] if baseline else None
    return Located(question, onsets, onset, between, window, why, baseline, rule, null)
