"""policy.toml: every threshold. The shipped file holds the defaults; a team's file changes keys."""

from __future__ import annotations

import hashlib
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from analyzer.errors import ConfigError
from analyzer.phase_limits import (
    LADDER,
    AbPhase,
    CanaryPhase,
    Confidence,
    Fraction,
    FullPhase,
    PhaseLimits,
    Positive,
    ShadowPhase,
)


class Data(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the logs must be like for a verdict to mean anything."""

    max_rejected_share: Fraction
    max_clock_skew_seconds: Positive
    max_unwatched_minutes_share: Fraction


Error = Annotated[float, Meta(gt=0, lt=0.5)]


class Experiments(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How an A/B test is planned and read."""

    alpha: Error
    power: Confidence
    min_effect: Positive
    sequence_alpha: Error
    final_alpha: Error
    sample_ratio_level: Error
    max_mixed_share: Fraction
    max_unusable_share: Fraction
    min_days: Annotated[int, Meta(ge=1)]
    novelty_days: Annotated[int, Meta(ge=7)]
    segment_q: Error


class Latency(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Latencies whose share is counted exactly in every profile."""

    objectives_ms: list[Positive]


class Record(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The gate tried on the champion's own log: A/A splits and injected harm."""

    splits: Annotated[int, Meta(ge=0, le=10_000)]
    power: Confidence


class Trigger(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Rollback triggers, followed minute by minute."""

    latency_factor: Positive
    latency_quantile: Annotated[float, Meta(gt=0, lt=1)]
    latency_minutes: Annotated[int, Meta(ge=1, le=1440)]
    max_error_rate: Fraction
    error_minutes: Annotated[int, Meta(ge=1, le=1440)]
    max_volume_drop: Annotated[float, Meta(gt=0, lt=1)]
    volume_minutes: Annotated[int, Meta(ge=1, le=1440)]
    min_expected: Positive
    min_requests: Annotated[int, Meta(ge=1)]
    min_judged_share: Fraction
    held_minutes: Annotated[int, Meta(ge=0, le=60)]
    missing: Literal["hold", "reset", "breach"]
    bucket_minutes: Literal[1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60]
    baseline_weeks: Annotated[int, Meta(ge=1, le=52)]
    baseline_days: Annotated[int, Meta(ge=1, le=35)]
    live_hours: Annotated[int, Meta(ge=1, le=24)]
    settle_minutes: Annotated[int, Meta(ge=0, le=1440)]
    signal_sigmas: Positive


class Burn(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A burn-rate alert: both windows must spend the budget faster than `rate` times evenly.

    alert: a page blocks, a ticket informs.
    """

    rate: Positive
    hours: Annotated[int, Meta(ge=1, le=720)]
    minutes: Annotated[int, Meta(ge=1, le=1440)]
    alert: Literal["page", "ticket"]


class Slo(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Service levels: infrastructure, model health, the error budget."""

    confidence: Confidence
    median_ms: Positive
    latency_limit_ms: Positive
    latency_quantile: Annotated[float, Meta(gt=0, lt=1)]
    max_error_rate: Annotated[float, Meta(gt=0, lt=1)]
    min_availability: Fraction
    min_due: Positive
    max_feature_age_minutes: Positive
    min_fresh_share: Fraction
    max_score_change: Positive
    score_days: Annotated[int, Meta(ge=2, le=365)]
    min_score_days: Annotated[int, Meta(ge=2, le=365)]
    max_volume_change: Annotated[float, Meta(gt=0, lt=1)]
    volume_requests: Positive
    max_critical_null_share: Fraction
    baseline_weeks: Annotated[int, Meta(ge=1, le=52)]
    min_baseline_weeks: Annotated[int, Meta(ge=1, le=52)]
    min_judged_share: Fraction
    budget_days: Annotated[int, Meta(ge=1, le=365)]
    min_burn_events: Positive
    on_fail: Literal["hold", "roll back"]
    burn: list[Burn]


class Business(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What labels must say of the models; blocking_phases: where that decides, not only warns."""

    blocking_phases: list[Literal["shadow", "canary", "ab", "full"]]

    confidence: Confidence
    max_loss_growth: Annotated[float, Meta(ge=0)]
    max_loss_excess: Annotated[float, Meta(ge=0)]
    min_completeness: Annotated[float, Meta(ge=0.05, le=1)]


class Rollback(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How soon the champion must serve everything again. act: whether `route watch --act`
    rolls back by itself when a trigger fires, or only says so.
    """

    max_minutes: Positive
    act: bool


class ProxyTrust(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a proxy must have shown before it is trusted, and which labels need one."""

    confidence: Confidence
    min_cohorts: Annotated[int, Meta(ge=2, le=52)]
    min_held: Fraction
    max_error: Positive
    min_gain: Annotated[float, Meta(ge=1)]
    calibration_days: Annotated[int, Meta(ge=7, le=1000)]
    delayed_days: Annotated[int, Meta(ge=1, le=1000)]


class VerdictLife(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long a verdict may be acted upon."""

    valid_hours: Annotated[int, Meta(ge=1)]


PHASES = ("shadow", "canary", "full")
"""Phases with limits of their own."""


class Policy(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All thresholds in force."""

    data: Data
    latency: Latency
    shadow: ShadowPhase
    canary: CanaryPhase
    ab: AbPhase
    full: FullPhase
    experiment: Experiments
    trigger: Trigger
    slo: Slo
    business: Business
    proxy: ProxyTrust
    record: Record
    rollback: Rollback
    verdict: VerdictLife

    @property
    def latency_thresholds(self) -> list[float]:
        """Latencies, in milliseconds, that profiles count exactly."""
        limits = [self.phase(name).latency_limit_ms for name in PHASES]
        slo = [self.slo.median_ms, self.slo.latency_limit_ms]
        return [*self.latency.objectives_ms, *limits, *slo]

    @property
    def max_feature_age(self) -> int:
        """Age up to which features are fresh, microseconds; counted exactly in every profile."""
        return round(self.slo.max_feature_age_minutes * 60e6)

    def phase(self, name: str) -> PhaseLimits:
        """The limits of a phase. Raises KeyError for one that has none here."""
        limits: dict[str, PhaseLimits] = {
            "shadow": self.shadow,
            "canary": self.canary,
            "ab": self.ab,
            "full": self.full,
        }
        return limits[name]

    @property
    def content(self) -> bytes:
        """Every threshold as JSON, sorted."""
        return msgspec.json.encode(self, order="sorted")

    @property
    def digest(self) -> str:
        """Digest of every threshold; a verdict names it."""
        return hashlib.sha256(self.content).hexdigest()[:16]


def load(path: str | Path | None = None) -> Policy:
    """The shipped policy with the keys of the team's own file put in their place.

    Raises ConfigError naming the key for unknown keys, wrong types and limits that are not finite.
    """
    shipped = tomllib.loads((files("analyzer") / "policy.toml").read_text(encoding="utf-8"))
    own = _own(Path(path)) if path else {}
    where = str(path) if path else "policy.toml"
    merged = _merged(shipped, own, where, "")
    _refuse_non_finite(merged, where, "")
    try:
        policy = msgspec.convert(merged, Policy)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {error}") from None
    for name in PHASES:
        if policy.phase(name).min_hours > policy.phase(name).max_hours:
            raise ConfigError(f"{where}: {name}.min_hours is more than {name}.max_hours")
    _refuse_unknown_phases(merged, where)
    _check_slo(policy.slo, where)
    for name, served in (("canary", policy.canary), ("full", policy.full)):
        if served.min_weight > served.max_weight:
            raise ConfigError(f"{where}: {name}.min_weight is more than {name}.max_weight")
    return policy


def _refuse_unknown_phases(tables: dict[str, object], where: str) -> None:
    for table, keys in tables.items():
        named = keys.get("next_phase") if isinstance(keys, dict) else None
        later = LADDER[LADDER.index(table) + 1 :] if table in LADDER else LADDER
        if named is not None and named not in later:
            raise ConfigError(
                f"{where}: `{table}.next_phase` is {named!r}; after {table} there is: "
                f"{', '.join(later)}"
            )


def _check_slo(slo: Slo, where: str) -> None:
    for least, most in (("min_baseline_weeks", "baseline_weeks"), ("min_score_days", "score_days")):
        if getattr(slo, least) > getattr(slo, most):
            raise ConfigError(f"{where}: slo.{least} is more than slo.{most}")
    if len({burn.hours for burn in slo.burn}) < len(slo.burn):
        raise ConfigError(f"{where}: slo.burn names the same `hours` twice")
    for burn in slo.burn:
        if not burn.minutes < burn.hours * 60 <= slo.budget_days * 1440:
            raise ConfigError(
                f"{where}: slo.burn at rate {burn.rate:g}: its short window must be shorter than "
                "its long one, and that no longer than slo.budget_days"
            )


def _own(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such policy file; correct [policy] path") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None


def _merged(
    base: dict[str, object], own: dict[str, object], where: str, prefix: str
) -> dict[str, object]:
    result = dict(base)
    for key, value in own.items():
        name = f"{prefix}{key}"
        if key not in base and name not in OPTIONAL_KEYS:
            known = ", ".join(
                sorted(
                    {
                        *base,
                        *(
                            k.rpartition(".")[2]
                            for k in OPTIONAL_KEYS
                            if k.rpartition(".")[0] == prefix.rstrip(".")
                        ),
                    }
                )
            )
            raise ConfigError(f"{where}: unknown key `{name}`; known here: {known}")
        inner = base.get(key)
        if isinstance(inner, dict):
            if not isinstance(value, dict):
                raise ConfigError(f"{where}: `{name}` is a table, not a value")
            result[key] = _merged(inner, value, where, f"{name}.")
        else:
            result[key] = value
    return result


OPTIONAL_KEYS = ("shadow.max_divergence",)
"""Keys that exist but are not set in the shipped policy."""


def _refuse_non_finite(values: dict[str, object], where: str, prefix: str) -> None:
    for key, value in values.items():
        items = value if isinstance(value, list) else [value]
        for item in items:
            if isinstance(item, dict):
                _refuse_non_finite(item, where, f"{prefix}{key}.")
            if isinstance(item, float) and not -float("inf") < item < float("inf"):
                raise ConfigError(f"{where}: `{prefix}{key}` is {item}, not a finite number")
