"""What every phase's gate shares: its material, and how a check is put into words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analyzer.config import Rollout
from analyzer.logs import LogFile
from analyzer.policy import Policy
from analyzer.profiles import Profiles
from analyzer.stats.result import Estimate, Result
from analyzer.verdict import Check, Layer, Operator, Outcome, judge, observed
from analyzer.window import Window, show


@dataclass(frozen=True)
class Material:
    """What a gate judges: the profiles of its window and what is known around them.

    as_of: instant (microseconds UTC) as of which is judged; problems: log files that could not
    be used; started: when the phase began by the diary (microseconds UTC),
    None where it does not say.
    """

    rollout: Rollout
    policy: Policy
    profiles: Profiles
    problems: Sequence[LogFile]
    as_of: int
    started: int | None

    @property
    def window(self) -> Window:
        """The window judged."""
        return self.profiles.window


def check(
    material: Material,
    name: str,
    layer: Layer,
    metric: str,
    result: Result,
    operator: Operator | None,
    limit: float | None,
    sentence: str,
    *,
    outcome: Outcome | None = None,
    severity: str = "block",
    segment: str | None = None,
    window: Window | None = None,
    counts: Mapping[str, int] | None = None,
) -> Check:
    """A check whose outcome is judged from `result`, or given where there is nothing to compare."""
    if outcome is None:
        if operator is None or limit is None:
            raise ValueError(f"check {name} has neither a limit nor an outcome")
        outcome = judge(result, operator, limit)
    span = window or material.window
    return Check(
        id=name,
        layer=layer,
        metric=metric,
        segment=segment,
        window=(show(span.start), show(span.end)),
        observed=observed(result),
        counts=dict(counts or {}),
        operator=operator,
        limit=limit,
        outcome=outcome,
        severity="warn" if severity == "warn" else "block",
        on_fail="hold",
        sentence=sentence,
    )


def percent(share: float) -> str:
    """A share in percent with three significant digits.

    >>> percent(0.00052), percent(0.9931)
    ('0.052 %', '99.3 %')
    """
    return f"{share * 100:.3g} %"


def share_with_interval(result: Result) -> str:
    """A share and its interval in percent, or why there is none."""
    if not isinstance(result, Estimate):
        return f"cannot be said ({result.reason})"
    if result.low == result.high:
        return percent(result.value)
    return f"{percent(result.value)} ({percent(result.low)} to {percent(result.high)})"


def number_with_interval(result: Result, unit: str = "") -> str:
    """A number and its interval, or why there is none."""
    if not isinstance(result, Estimate):
        return f"cannot be said ({result.reason})"
    return f"{result.value:.3g}{unit} ({result.low:.3g} to {result.high:.3g})"
