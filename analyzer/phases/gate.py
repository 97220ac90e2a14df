"""What every phase's gate shares: its material, what a phase is, how a check is put into words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from analyzer.config import Rollout
from analyzer.diary import Event
from analyzer.logs import LogFile, Side
from analyzer.phase_limits import PhaseLimits
from analyzer.policy import Policy
from analyzer.profiles import Profiles
from analyzer.stats.result import Estimate, Result
from analyzer.verdict import Check, Layer, Operator, Outcome, Step, Waiting, judge, observed
from analyzer.window import Window, show


@dataclass(frozen=True)
class Material:
    """What a gate judges: the profiles of its window and what is known around them.

    as_of: instant (microseconds UTC) as of which is judged; problems: log files that could not
    be used; started: when the phase began by the diary (microseconds UTC),
    None where it does not say; serves: the model that answers most users; events: the diary.
    """

    rollout: Rollout
    policy: Policy
    profiles: Profiles
    problems: Sequence[LogFile]
    as_of: int
    started: int | None
    phase: str = "shadow"
    serves: Side = "champion"
    events: Sequence[Event] = ()

    @property
    def window(self) -> Window:
        """The window judged."""
        return self.profiles.window

    @property
    def limits(self) -> PhaseLimits:
        """The phase's limits in the policy."""
        return self.policy.phase(self.phase)

    @property
    def mirrored(self) -> Side:
        """The model that does not serve most users."""
        return "challenger" if self.serves == "champion" else "champion"


@dataclass(frozen=True)
class Phase:
    """A phase of the rollout: what its gate asks, and what it says beside its checks.

    waiting: when an undecided check will have enough data; detectable: the smallest harm that
    would have been found; cost: what the phase costs; unwatched: minutes with traffic, and those
    of them that only one log saw; then: what may be done when all checks pass, in words;
    registered: digest of the plan that the phase is judged against, where there is one.
    """

    name: str
    serves: Side
    checks: Callable[[Material], list[Check]]
    waiting: Callable[[Material, Check], list[Waiting]]
    detectable: Callable[[Material], list[str]]
    cost: Callable[[Material], str]
    unwatched: Callable[[Material], tuple[int, int]]
    then: str = ""
    registered: Callable[[Material], str] | None = None

    def step(self, policy: Policy) -> Step:
        """The next phase and the challenger's share of traffic in it."""
        limits = policy.phase(self.name)
        return Step(limits.next_phase, limits.next_weight)


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
    harm: bool = False,
    segment: str | None = None,
    window: Window | None = None,
    counts: Mapping[str, int] | None = None,
) -> Check:
    """A check whose outcome is judged from `result`, or given where there is nothing to compare.

    harm: failing means harm to users; the phase's limits say what follows.
    """
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
        on_fail=material.limits.on_harm if harm else "hold",
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
