"""What the search for features that drifted first says in plain words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from analyzer.onset.comparison import Plan
from analyzer.onset.records import Hours, Label, Precursor, Precursors
from analyzer.stats.psi import MINIMUM_NULL_WINDOWS
from analyzer.window import show


def precursor_sentence(
    name: str,
    label: Label,
    raw: float,
    expected: float,
    q: float | None,
    at: str | None,
    carried: float | None,
) -> str:
    """The feature in a sentence: moved before, with or after, never "caused"."""
    words = {
        "leads": "drifted before the onset",
        "coincides": "drifted with the onset",
        "follows": "drifted only after the onset",
        "drifts, score unmoved": "drifted, and the score did not move with it",
        "undecided": "is ranked only",
        "unmoved": "did not drift",
    }
    said = f"{name} {words[label]}"
    if math.isfinite(raw):
        said += f": PSI {raw:.4f} right before it, {expected:.4f} of it expected by chance"
    if q is not None:
        said += f", q {q:.3g}"
    if at is not None:
        said += f"; first drifting hour {at}"
    if carried is not None and label not in ("unmoved", "undecided"):
        said += f"; its change of distribution carries {carried:.0%} of the score shift"
    return said


def summary_sentences(plan: Plan, ranked: Sequence[Precursor], enough: bool, q: float) -> list[str]:
    """What was compared, how many features drifted before the onset, or why that is not said."""
    cycle = "weeks" if plan.references.weekly else "days; there are fewer than 2 clean weeks"
    said = [
        f"{len(ranked)} features, {plan.length} h right before the onset against the same hours of "
        f"{plan.references.cycles} earlier clean {cycle}"
    ]
    if not enough:
        said.append(
            f"a ranking only: {len(plan.past)} clean windows of the past, "
            f"{MINIMUM_NULL_WINDOWS} are needed for a p-value"
        )
        return said
    leading = [f.feature for f in ranked if f.label == "leads"]
    named = f": {', '.join(leading[:5])}{' ...' if len(leading) > 5 else ''}" if leading else ""
    said.append(
        f"{len(leading)} drifted before the onset and moved with the score{named} (at most "
        f"{q:.0%} of the drifting ones expected to be chance, {len(plan.past)} clean windows)"
    )
    return said


def refused(hours: Hours, reason: str) -> Precursors:
    """No comparison, and why."""
    onset = show(hours.onset_low), show(hours.onset_high)
    return Precursors(
        before=onset,
        after=onset,
        weeks=0,
        null_windows=0,
        level=0.0,
        least_psi=0.0,
        ranking_only=True,
        features=[],
        findings=[],
        left_after_top_two=None,
        refusal=reason,
        sentences=[reason],
    )
