"""What is recounted, and whether it agrees."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from analyzer.config import Rollout
from analyzer.errors import StoreError
from analyzer.logs import SIDES, LogFile, Side, survey
from analyzer.policy import PHASES, Policy
from analyzer.slo.answer import Slo
from analyzer.store import Store
from analyzer.verdict import Verdict
from analyzer.verify.recount import Recount
from analyzer.window import Window, parse

Judged = Verdict | Slo
"""What was judged over a window: checks, the policy and the profiles that they rest on."""


@dataclass(frozen=True)
class Number:
    """One of a verdict's numbers as the verdict says it and as the raw logs say it."""

    check: str
    name: str
    verdict: int
    logs: int

    @property
    def same(self) -> bool:
        """Whether both agree."""
        return self.verdict == self.logs


@dataclass(frozen=True)
class ChangedSlot:
    """A slot whose profile is not the one that the verdict rests on; `now` None: it is gone."""

    slot: str
    verdict: str
    now: str | None


@dataclass(frozen=True)
class Verification:
    """A verdict's numbers, recounted; slots scanned again since; what else must be known."""

    window: str
    numbers: tuple[Number, ...]
    changed: tuple[ChangedSlot, ...]
    uncounted: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """Whether something was counted, all of it agrees and the profiles are the same."""
        return bool(self.numbers) and not self.changed and all(n.same for n in self.numbers)


def verify(rollout: Rollout, policy: Policy, verdict: Verdict) -> Verification:
    """Recount every number in the checks of a verdict from the raw logs, within its window.

    Also names the slots that were scanned anew since. Reads local files only. Raises LogError (a
    log that cannot be read), StoreError (the store that the verdict came from is gone).
    """
    phase = verdict.phase if verdict.phase in PHASES else "shadow"
    recount = recount_of(rollout, verdict, policy.phase(phase).latency_limit_ms)
    return verification(rollout, policy, verdict, recount, recount.counts)


def recount_of(rollout: Rollout, judged: Judged, limit_ms: float) -> Recount:
    """What counts a window's raw logs again. limit_ms: of latency.

    Raises LogError (a log cannot be read), StoreError (the store is gone).
    """
    store = Store(rollout.store_path)
    frozen = store.frozen()
    if frozen is None:
        raise StoreError(f"{store.path}: no store here; the verdict's profiles are gone")
    window = Window(parse(judged.window[0]), parse(judged.window[1]))
    files = {side: survey(rollout, side) for side in SIDES}
    return Recount(rollout, frozen, files, window, limit_ms)


def verification(
    rollout: Rollout,
    policy: Policy,
    judged: Judged,
    recount: Recount,
    counts: Callable[[str], Mapping[str, int]],
) -> Verification:
    """Hold each number of some checks against what `counts` finds for the check's id."""
    numbers, uncounted = [], []
    for check in judged.checks:
        found = counts(check.id) if check.counts else {}
        for name, value in check.counts.items():
            if name in found:
                numbers.append(Number(check.id, name, value, found[name]))
            else:
                uncounted.append(f"{check.id}: {name}")
    return Verification(
        str(recount.window),
        tuple(numbers),
        tuple(_changed(Store(rollout.store_path), judged)),
        tuple(uncounted),
        tuple(_notes(policy, judged, recount.surveyed)),
    )


def _changed(store: Store, judged: Judged) -> list[ChangedSlot]:
    now = {m.slot: m.digest for m in store.manifests().values()}
    return [
        ChangedSlot(slot, digest, now.get(slot))
        for slot, digest in sorted(judged.profiles.items())
        if now.get(slot) != digest
    ]


def _notes(policy: Policy, judged: Judged, files: Mapping[Side, Sequence[LogFile]]) -> list[str]:
    notes = [
        f"{side} file {file.name} is left out: it {file.problem}"
        for side in SIDES
        for file in files[side]
        if file.problem
    ]
    if policy.digest != judged.policy:
        notes.append(
            f"The policy is not the verdict's ({policy.digest}, then {judged.policy}): shares "
            "over a latency limit that moved cannot agree."
        )
    return notes
