"""Checks and verdicts: the one place where a value meets a limit.

A check passes when the whole interval satisfies its limit, fails when none of it does, and is
undecided otherwise. A verdict follows from its checks by precedence, never by weights.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from inspect import cleandoc
from typing import Literal

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray

from analyzer.stats.result import Estimate, Result

Outcome = Literal["pass", "fail", "undecided", "invalid"]
Decision = Literal["promote", "hold", "roll back", "undecided"]
Operator = Literal["<", "<=", ">", ">="]
Layer = Literal["data", "infrastructure", "model", "business", "experiment", "process"]

EXIT_CODES: dict[Decision, int] = {"promote": 0, "hold": 3, "undecided": 4, "roll back": 5}
VERDICT_SCHEMA = 1


class Observed(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was measured: a value with its interval, or why there is none."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: float = 0.0
    method: str = ""
    undefined: str = ""


class Check(Struct, frozen=True, kw_only=True):
    """One question asked of the logs, what was seen, and what follows.

    counts: the whole numbers behind `observed`, which `analyzer verify` recounts from raw logs.
    """

    id: str
    layer: Layer
    metric: str
    segment: str | None
    window: tuple[str, str]
    observed: Observed
    counts: dict[str, int]
    operator: Operator | None
    limit: float | None
    outcome: Outcome
    severity: Literal["block", "warn"]
    on_fail: Literal["hold", "roll back"]
    sentence: str


class Step(Struct, frozen=True):
    """The next phase and the challenger's share of traffic in it."""

    phase: str
    weight: float


class Waiting(Struct, frozen=True, kw_only=True):
    """When an undecided check can be expected to be decided at this traffic."""

    check: str
    has: float
    needs: float | None
    at: str | None
    sentence: str


class Trial(Struct, frozen=True, kw_only=True):
    """How often the gate's statistics did something on the team's own champion log."""

    what: str
    splits: int
    held: int
    undecided: int
    sentence: str


class Override(Struct, frozen=True, kw_only=True):
    """A rule that somebody set aside, with a reason: every later verdict names it.

    what: skip (a phase), shorten (one), policy (changed in mid-phase: `policy` is the digest of
    the new one), restart (a phase's start moved, or its A/B test was planned anew), split (not
    50/50), harm (found earlier in the phase). by: who, as the diary says.
    """

    phase: str
    what: str
    reason: str
    by: str
    at: str
    policy: str = ""


class Verdict(Struct, frozen=True, kw_only=True):
    """May the challenger take the next step, and on what evidence.

    evidence: digests of the kept verdicts of earlier phases that this one stands on. started:
    when the phase began by the diary, null where it does not say. registration: digest of the plan
    of the A/B test, empty where there is none.
    """

    schema: int
    tool: str
    rollout: str
    phase: str
    outcome: Decision
    exit_code: int
    headline: str
    window: tuple[str, str]
    as_of: str
    valid_until: str
    models: dict[str, str]
    policy: str
    profiles: dict[str, str]
    checks: list[Check]
    blocking: list[str]
    enough_data: list[Waiting]
    detectable: list[str]
    record: list[Trial]
    unwatched_minutes: int
    cost: str
    next: Step | None
    evidence: list[str]
    notes: list[str]
    started: str | None = None
    overrides: list[Override] = []
    registration: str = ""


def judge(observed: Result, operator: Operator, limit: float) -> Outcome:
    """Compare an estimate with a limit: pass, fail or undecided.

    >>> judge(Estimate(0.5, 0.4, 0.6, 10, ""), "<", 0.6)
    'undecided'
    >>> judge(Estimate(0.5, 0.4, 0.6, 10, ""), "<=", 0.6)
    'pass'
    >>> judge(Estimate(0.7, 0.6, 0.8, 10, ""), "<", 0.6)
    'fail'
    """
    if not isinstance(observed, Estimate):
        return "undecided"
    low, high = observed.low, observed.high
    holds = {
        "<": (high < limit, low >= limit),
        "<=": (high <= limit, low > limit),
        ">": (low > limit, high <= limit),
        ">=": (low >= limit, high < limit),
    }
    passes, fails = holds[operator]
    return "pass" if passes else "fail" if fails else "undecided"


def holds(values: ArrayLike, operator: Operator, limits: ArrayLike) -> NDArray[np.bool_]:
    """Which counted values keep their limits: facts without an interval, compared exactly.

    >>> holds([1.0, 2.0, 2.1], "<=", 2.0).tolist()
    [True, True, False]
    """
    compare = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}
    return np.asarray(compare[operator](values, limits), dtype=np.bool_)


def worst(outcomes: Sequence[Outcome]) -> Outcome:
    """The outcome of several judgements that must all hold; of none, undecided."""
    for outcome in ("invalid", "fail", "undecided"):
        if outcome in outcomes:
            return outcome
    return "pass" if outcomes else "undecided"


def observed(result: Result) -> Observed:
    """A result in the form that crosses files; infinite ends are left open."""
    if not isinstance(result, Estimate):
        return Observed(n=float(result.n), undefined=result.reason)
    finite = [x if abs(x) != float("inf") else None for x in (result.low, result.high)]
    return Observed(
        value=result.value, low=finite[0], high=finite[1], n=float(result.n), method=result.method
    )


def decide(checks: Sequence[Check], *, overdue: bool) -> Decision:
    """The outcome that a phase's checks lead to.

    Precedence: roll back (a failed check that harms), hold (a failed or invalid check),
    undecided, promote. Past the phase's longest duration (`overdue`) undecided becomes hold.
    Warnings decide nothing; without a blocking check the outcome is undecided.
    """
    blocking = [check for check in checks if check.severity == "block"]
    failed = [check for check in blocking if check.outcome == "fail"]
    if any(check.on_fail == "roll back" for check in failed):
        return "roll back"
    if failed or any(check.outcome == "invalid" for check in blocking):
        return "hold"
    if not blocking or any(check.outcome == "undecided" for check in blocking):
        return "hold" if overdue and blocking else "undecided"
    return "promote"


def encode(verdict: Verdict) -> bytes:
    """verdict.json: sorted keys, indented, the same verdict always the same bytes."""
    return msgspec.json.format(msgspec.json.encode(verdict, order="sorted"), indent=2) + b"\n"


def digest(verdict: Verdict) -> str:
    """Digest by which later verdicts and decisions refer to this one."""
    return hashlib.sha256(encode(verdict)).hexdigest()[:16]


def json_schema() -> dict[str, object]:
    """JSON Schema of verdict.json; a copy lies in the package as verdict.schema.json."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {**schema, **msgspec.json.schema(Verdict), "$defs": _definitions()}


def _definitions() -> dict[str, object]:
    """The types' schemas; descriptions without the indentation that old Pythons leave in them."""
    definitions = msgspec.json.schema(Verdict)["$defs"]
    for definition in definitions.values():
        if "description" in definition:
            definition["description"] = cleandoc(definition["description"])
    return dict(definitions)
