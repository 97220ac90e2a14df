"""What each phase of a rollout must show: its table of policy.toml."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

LADDER = ("shadow", "canary", "ab", "full", "decommission")
"""The phases of a rollout, in their order; the last one is its end."""

Positive = Annotated[float, Meta(gt=0)]
Fraction = Annotated[float, Meta(ge=0, le=1)]
Confidence = Annotated[float, Meta(ge=0.5, lt=1)]


class PhaseLimits(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every phase's gate asks; a phase adds keys of its own.

    on_harm: what a failed check of errors or latency leads to.
    """

    min_hours: Annotated[int, Meta(ge=1)]
    max_hours: Annotated[int, Meta(ge=1)]
    confidence: Confidence
    latency_limit_ms: Positive
    latency_quantile: Annotated[float, Meta(gt=0, lt=1)]
    max_error_rate: Fraction
    max_duplicates: Fraction
    on_harm: Literal["hold", "roll back"]
    next_phase: str
    next_weight: Fraction

    @property
    def score_change(self) -> float | None:
        """By how much the models' score ratio may move, None where that is not asked."""
        return None


class ShadowPhase(PhaseLimits, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The shadow gate."""

    min_coverage: Fraction
    max_score_ratio_change: Positive
    max_score_psi: Positive
    max_critical_null_share: Fraction
    max_parity_mismatch: Fraction
    max_divergence: Positive | None = None

    @property
    def score_change(self) -> float | None:
        """By how much the models' score ratio may move."""
        return self.max_score_ratio_change


class ServedPhase(PhaseLimits, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A phase in which the challenger answers users.

    low_traffic_triggers, undecided_triggers: whether the gate waits for triggers that cannot be
    judged, or only says so: because minutes hold too few requests, or for another reason.
    """

    min_requests: Annotated[int, Meta(ge=1)]
    min_weight: Fraction
    max_weight: Fraction
    max_latency_ratio: Positive
    low_traffic_triggers: Literal["wait", "warn"]
    undecided_triggers: Literal["wait", "warn"]


class SegmentHarm(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How much worse than the champion the challenger may be in a segment.

    q: share of false alarms among the segments reported; max_*: differences of shares of requests.
    """

    q: Annotated[float, Meta(gt=0, lt=1)]
    max_error_excess: Fraction
    max_slow_excess: Fraction
    min_requests: Annotated[int, Meta(ge=1)]


class CanaryPhase(ServedPhase, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The canary gate."""

    max_score_psi: Positive
    sample_ratio_level: Annotated[float, Meta(gt=0, lt=0.5)]
    segments: SegmentHarm


class AbPhase(ServedPhase, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The gate of the A/B test, beside what [experiment] says of its metrics."""

    segments: SegmentHarm


class MaturedLabels(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What mature labels must say before the old model goes.

    max_loss_excess: of the challenger's loss above the old model's, as a share of it.
    """

    max_loss_excess: Annotated[float, Meta(ge=0)]
    confidence: Confidence
    min_completeness: Annotated[float, Meta(ge=0.05, le=1)]
    min_days: Annotated[int, Meta(ge=1)]
    without_labels: Literal["wait", "warn"]


class FullPhase(ServedPhase, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The gate of the full rollout."""

    mirror_share: Annotated[float, Meta(gt=0, le=1)]
    min_coverage: Fraction
    max_score_ratio_change: Positive
    baseline_days: Annotated[int, Meta(ge=1, le=35)]
    labels: MaturedLabels

    @property
    def score_change(self) -> float | None:
        """By how much the models' score ratio may move."""
        return self.max_score_ratio_change
