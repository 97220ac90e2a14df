"""What late labels and their proxies add to a gate: the business checks, as of the verdict."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from analyzer.config import Rollout
from analyzer.diary import Event, phase_start
from analyzer.errors import StoreError
from analyzer.labels.business import LOOK_BACK, business_checks, unsaid
from analyzer.labels.known import known
from analyzer.labels.proxies.answer import proxies
from analyzer.labels.proxies.checks import proxy_checks
from analyzer.labels.tables import DAY, fragments
from analyzer.phase_limits import LADDER
from analyzer.policy import Policy
from analyzer.store import Store
from analyzer.verdict import Check
from analyzer.window import Window, date


@dataclass(frozen=True)
class LabelChecks:
    """Checks of layer business, and on which labels they rest."""

    checks: tuple[Check, ...] = ()
    notes: tuple[str, ...] = ()


def label_checks(
    rollout: Rollout, policy: Policy, phase: str, as_of: int, events: Sequence[Event] = ()
) -> LabelChecks:
    """The business checks of a phase by the labels joined so far and known at `as_of`.

    as_of: microseconds UTC, floored to midnight. events: the diary, which says when the rollout
    began: the models are compared on all days since, else on the last week. None where no labels
    are described. Where they were never joined, the checks are undecided and say so. They warn,
    but block in the phases that the policy names. Read from fragments alone: a night and a gate
    say the same.
    """
    if not rollout.labels.paths:
        return LabelChecks()
    blocks = phase in policy.business.blocking_phases
    today, open_days = as_of // DAY, rollout.labels.open_days
    look_back = max(LOOK_BACK, open_days + LOOK_BACK // 2)
    history = Window((today - look_back - 2 * open_days) * DAY, today * DAY)
    held = fragments(Store(rollout.store_path)).manifests()
    digests = {start // DAY: m.digest for start, m in held.items() if start // DAY < today}
    if not held:
        reason = "no labels were joined yet; run `analyzer labels`"
        return _nothing(reason, rollout, policy, today, blocks)
    try:
        found = known(rollout, as_of, history)
    except StoreError as error:
        return _nothing(str(error), rollout, policy, today, blocks)
    checks = business_checks(
        found,
        rollout.labels.arrival,
        policy.business,
        look_back=look_back,
        blocks=blocks,
        since=_began([e for e in events if e.at <= as_of]),
    )
    told = proxies(rollout, found, rollout.labels.arrival, policy.proxy)
    checks += proxy_checks(rollout, policy, found, told)
    return LabelChecks(tuple(checks), (_rests_on(digests, today),))


def _began(events: Sequence[Event]) -> int | None:
    """The first whole day of the rollout: since its shadow began, else its first phase."""
    starts = [e.at for e in events if e.kind == "phase" and e.phase in LADDER]
    began = phase_start(events, LADDER[0]) or min(starts, default=None)
    return None if began is None else -(-began // DAY)


def _nothing(
    reason: str, rollout: Rollout, policy: Policy, today: int, blocks: bool
) -> LabelChecks:
    checks = unsaid(reason, rollout.label_kind, policy.business, today, blocks)
    return LabelChecks(tuple(checks), (f"Business checks: {reason}.",))


def _rests_on(digests: Mapping[int, str], today: int) -> str:
    """Which fragments, by label day, the checks rest on: other labels give another digest."""
    if not digests:
        return f"Business checks: no label was joined that was known by {date(today)} 00:00 UTC."
    digest = hashlib.sha256(msgspec.json.encode(sorted(digests.items()))).hexdigest()[:16]
    return (
        f"Business checks rest on labels known by {date(today)} 00:00 UTC, of {len(digests)} "
        f"label days up to {date(max(digests))}; digest {digest}."
    )
