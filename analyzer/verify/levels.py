"""Service levels, counted once more: what users were answered, by the weight in force."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from analyzer.config import Rollout
from analyzer.diary import Event
from analyzer.logs import SIDES, Side
from analyzer.policy import Policy
from analyzer.slo.answer import Slo
from analyzer.verify.recount import Recount
from analyzer.verify.verification import Verification, recount_of, verification
from analyzer.window import HOUR, MINUTE, Window


def verify_levels(
    rollout: Rollout, policy: Policy, levels: Slo, events: Sequence[Event]
) -> Verification:
    """Recount the numbers of service levels from the raw logs, within their window.

    Latency, errors, scores and nulls of the models that answer users, freshness of their features
    (by the hour). What rests on other hours too (availability, volume, budgets) is named as not
    recounted. Raises LogError, StoreError.
    """
    limits = policy.slo
    recount = recount_of(rollout, levels, limits.latency_limit_ms)
    spans = {side: serving(side, events, recount.window) for side in SIDES}
    known: dict[str, dict[str, int]] = {}

    def answered(limit_ms: float) -> dict[str, int]:
        parts = [recount.rows_in(s, span, limit_ms) for s in SIDES for span in spans[s]]
        return _added(parts)

    def counts(check: str) -> dict[str, int]:
        if check not in known:
            layer, _, about = check.partition(".")
            kind, _, detail = about.partition(".")
            known[check] = {}
            if check == "infrastructure.latency_median":
                known[check] = answered(limits.median_ms)
            elif check in ("infrastructure.latency_tail", "infrastructure.errors"):
                known[check] = answered(limits.latency_limit_ms)
            elif check == "infrastructure.freshness":
                most = round(limits.max_feature_age_minutes * MINUTE)
                hours = [(s, span) for s in SIDES for span in _whole_hours(spans[s])]
                known[check] = _added([recount.ages_in(s, span, most) for s, span in hours])
            elif layer == "model":
                known[check] = _of_model(recount, kind, detail)
            elif layer == "data":
                known[check] = recount.counts(check)
        return known[check]

    return verification(rollout, policy, levels, recount, counts)


def serving(side: Side, events: Sequence[Event], window: Window) -> list[Window]:
    """Parts of a window in which a model answers users: its share of the traffic is not 0. A weight
    holds from the first whole minute at or after its event.
    """
    changes = [(-(-e.at // MINUTE) * MINUTE, e.challenger_weight) for e in events]
    told = [(at, weight) for at, weight in changes if weight is not None]
    weights = sorted(told, key=lambda change: change[0])
    edges = [window.start, *(at for at, _ in weights if window.start < at < window.end), window.end]
    found: list[Window] = []
    for start, end in pairwise(edges):
        weight = next((w for at, w in reversed(weights) if at <= start), 0.0)
        serves = weight < 1 if side == "champion" else weight > 0
        if serves and found and found[-1].end == start:
            found[-1] = Window(found[-1].start, end)
        elif serves and start < end:
            found.append(Window(start, end))
    return found


def _of_model(recount: Recount, kind: str, detail: str) -> dict[str, int]:
    feature, _, name = detail.rpartition(".")
    side: Side = "champion" if name == "champion" else "challenger"
    if kind == "mean_score":
        return recount.rows(side)
    other: Side = "challenger" if side == "champion" else "champion"
    return recount.nulls_of(feature, (side, other)) if kind == "null_share" else {}


def _whole_hours(spans: Sequence[Window]) -> list[Window]:
    """Every hour that the spans touch."""
    found: list[Window] = []
    for span in spans:
        start, end = span.start // HOUR * HOUR, -(-span.end // HOUR) * HOUR
        if found and found[-1].end >= start:
            found[-1] = Window(found[-1].start, end)
        else:
            found.append(Window(start, end))
    return found


def _added(parts: Sequence[dict[str, int]]) -> dict[str, int]:
    return {name: sum(part[name] for part in parts) for name in (parts[0] if parts else {})}
