"""Where in time an incident lies, with what it is compared, and with what that is compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from analyzer.diagnose.history import History
from analyzer.diagnose.windows import (
    Asked,
    FirstOnset,
    baseline_of,
    cut_to,
    first_onset,
    incident_window,
)
from analyzer.errors import ConfigError
from analyzer.onset.search import Onsets
from analyzer.store import Manifest
from analyzer.window import HOUR, Window, parse


def narrowed(question: Asked, manifests: Sequence[Manifest]) -> Asked:
    """The question, cut to the slots that were profiled; `cut` says what was missing.

    Raises ConfigError where none of its window was.
    """
    window = question.window or question.search
    slots = [m for m in manifests if window.overlaps(m.start, m.end)]
    if not slots:
        raise ConfigError(f"nothing of {window} was profiled; scan those logs first")
    kept, cut = cut_to(window, Window(slots[0].start, slots[-1].end))
    cut = question.cut or cut
    known = sum(min(kept.end, m.end) - max(kept.start, m.start) for m in slots)
    if gap := (kept.end - kept.start - known) // HOUR:
        cut = "; ".join(filter(None, [cut, f"{gap} h of it were not profiled"]))
    if question.window is None:
        return replace(question, search=kept, cut=cut)
    return replace(question, window=kept, search=Window(question.search.start, kept.end), cut=cut)


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
