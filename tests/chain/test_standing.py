"""What a verdict stands on: evidence complete, missing, expired, undone, overridden."""

from __future__ import annotations

import msgspec
import pytest
from chain.chains import MODELS, POLICY, began, chain, of, passed, stood, verdict
from logbook import Book

from analyzer.chain.kept import Chain, Fault
from analyzer.chain.overrides import moved_keys
from analyzer.diary import Event
from analyzer.policy import Policy
from analyzer.verdict import Verdict, digest

SHADOW = verdict("shadow", "2025-03-06", started="2025-03-03T00:00Z")
CANARY = verdict("canary", "2025-03-07", evidence=[digest(SHADOW)], started="2025-03-06T09:00Z")
DIARY = [
    began("shadow", "2025-03-03"),
    began("canary", "2025-03-06T09"),
    began("ab", "2025-03-07T12"),
]


def limits(**shadow: object) -> Policy:
    return msgspec.structs.replace(POLICY, shadow=msgspec.structs.replace(POLICY.shadow, **shadow))


def override(what: str, phase: str, at: str = "2025-03-06T10", **more: str) -> Event:
    return Event(at, "override", phase=phase, what=what, note="a new law", source="ana", **more)  # type: ignore[arg-type]


def test_a_complete_chain_passes_and_is_named(small: Book) -> None:
    found = stood(small, "ab", chain(SHADOW, CANARY), DIARY)
    assert found.evidence == [digest(SHADOW), digest(CANARY)]
    assert {c.outcome for c in found.checks} == {"pass"}
    assert found.overrides == [] and found.notes == []
    assert "9 h before canary began" in of(found, "process.chain.shadow").sentence


def test_shadow_stands_on_nothing(small: Book) -> None:
    found = stood(small, "shadow", Chain(), DIARY[:1])
    assert found.evidence == []
    assert [c.id for c in found.checks] == ["process.policy", "process.start", "process.duration"]


RULES: dict[str, tuple[Chain, list[Event], str, str]] = {
    "skipped": (Chain(), DIARY[1:2], "fail", "shadow was skipped"),
    "no verdict kept": (Chain(), DIARY, "undecided", "run `analyzer gate shadow`"),
    "start not recorded": (chain(SHADOW), [], "undecided", "does not say when canary began"),
    "judged too late": (
        chain(verdict("shadow", "2025-03-06T10")),
        DIARY,
        "fail",
        "judged only after canary began",
    ),
    "never decided": (
        chain(verdict("shadow", "2025-03-05", "undecided")),
        DIARY,
        "fail",
        "still undecided",
    ),
    "a later hold": (
        chain(SHADOW, verdict("shadow", "2025-03-06T05", "hold")),
        DIARY,
        "fail",
        "last word of shadow was hold",
    ),
    "a hold at the same time": (
        chain(SHADOW, verdict("shadow", "2025-03-06", "hold")),
        DIARY,
        "fail",
        "last word of shadow was hold",
    ),
    "a later look that was undecided": (
        chain(SHADOW, verdict("shadow", "2025-03-06T05", "undecided")),
        DIARY,
        "pass",
        "shadow promoted",
    ),
    "a hold after canary began": (
        chain(SHADOW, verdict("shadow", "2025-03-07", "hold")),
        DIARY,
        "pass",
        "shadow promoted",
    ),
    "expired": (
        chain(verdict("shadow", "2025-03-05T08:59")),
        DIARY,
        "fail",
        "policy key verdict.valid_hours",
    ),
    "about to expire": (chain(verdict("shadow", "2025-03-05T09")), DIARY, "pass", "24 h before"),
    "undone by a rollback": (
        chain(SHADOW),
        [*DIARY, Event("2025-03-06T08", "rollback")],
        "fail",
        "a rollback followed",
    ),
    "other models": (
        chain(verdict("shadow", "2025-03-06", models={**MODELS, "challenger": "v1"})),
        DIARY,
        "fail",
        "of other models: v1 against champion",
    ),
    "another rollout's": (
        chain(verdict("shadow", "2025-03-06", rollout="other")),
        DIARY,
        "undecided",
        "no verdict of it is kept",
    ),
    "as of later than this one": (
        chain(verdict("shadow", "2025-03-20")),
        DIARY,
        "undecided",
        "no verdict of it is kept",
    ),
    "stands on what is lost": (
        chain(verdict("shadow", "2025-03-06", evidence=["0" * 16])),
        DIARY,
        "fail",
        "which is not kept",
    ),
}


@pytest.mark.parametrize("case", RULES)
def test_what_carries_a_promotion_across(small: Book, case: str) -> None:
    kept, events, outcome, says = RULES[case]
    found = stood(small, "canary", kept, events)
    check = of(found, "process.chain.shadow")
    assert (check.outcome, check.severity) == (outcome, "block")
    assert says in f"{check.sentence[:1].lower()}{check.sentence[1:]}"
    assert found.evidence == ([kept.kept[0].digest] if outcome == "pass" else [])


def test_after_a_rollback_shadow_is_judged_again(small: Book) -> None:
    events = [
        *DIARY[:2],
        Event("2025-03-06T12", "rollback", challenger_weight=0.0),
        began("shadow", "2025-03-07"),
        began("canary", "2025-03-09T06"),
    ]
    old = chain(SHADOW, verdict("canary", "2025-03-06T11", started="2025-03-06T09:00Z"))
    assert of(stood(small, "canary", old, events), "process.chain.shadow").outcome == "fail"
    again = verdict("shadow", "2025-03-09", started="2025-03-07T00:00Z")
    found = stood(small, "canary", chain(*(k.verdict for k in old.kept), again), events)
    assert {c.outcome for c in found.checks} == {"pass"}
    assert found.evidence == [digest(again)]


def test_a_phase_shorter_than_its_minimum(small: Book) -> None:
    short = [began("shadow", "2025-03-05T12"), *DIARY[1:2]]
    found = of(stood(small, "canary", chain(SHADOW), short), "process.length.shadow")
    assert (found.outcome, found.observed.value, found.limit) == ("fail", 21.0, 24.0)
    shortened = [*short, override("shorten", "shadow")]
    found = of(stood(small, "canary", chain(SHADOW), shortened), "process.length.shadow")
    assert (found.outcome, found.severity) == ("fail", "warn")


def test_an_override_is_shown_in_all_later_verdicts(small: Book) -> None:
    skipped = [*DIARY[1:], override("skip", "shadow")]
    for phase, kept in (("canary", Chain()), ("ab", chain(verdict("canary", "2025-03-07")))):
        found = stood(small, phase, kept, skipped)
        check = of(found, "process.chain.shadow")
        assert (check.outcome, check.severity) == ("fail", "warn")
        assert "by ana 2025-03-06T10:00Z" in check.sentence and "a new law" in check.sentence
        assert not [c for c in found.checks if c.outcome != "pass" and c.severity == "block"]
        assert [(o.what, o.phase, o.reason, o.by) for o in found.overrides] == [
            ("skip", "shadow", "a new law", "ana")
        ]
        assert "a new law" in found.notes[0]


def test_an_override_covers_what_it_names_and_no_more(small: Book) -> None:
    for wrong in (
        override("skip", "canary"),
        override("shorten", "shadow"),
        override("skip", "shadow", challenger="another model"),
    ):
        found = of(stood(small, "canary", Chain(), [*DIARY[1:2], wrong]), "process.chain.shadow")
        assert found.severity == "block", wrong


def test_a_phase_shortened_while_it_runs(small: Book) -> None:
    found = stood(small, "shadow", Chain(), [DIARY[0], override("shorten", "shadow")])
    assert of(found, "process.duration").severity == "block"  # it passed: nothing to set aside
    assert found.overrides[0].what == "shorten"


def test_the_policy_may_not_change_in_mid_phase(small: Book) -> None:
    kept = chain(SHADOW)
    softer = limits(max_error_rate=0.5)
    found = of(stood(small, "shadow", kept, DIARY[:1], limits=softer), "process.policy")
    assert (found.outcome, found.severity) == ("fail", "block")
    assert "shadow.max_error_rate was 0.001, is 0.5" in found.sentence
    allowed = override("policy", "shadow", policy=softer.digest)
    found = of(stood(small, "shadow", kept, [DIARY[0], allowed], limits=softer), "process.policy")
    assert (found.outcome, found.severity) == ("fail", "warn")
    softest = limits(max_error_rate=0.9)
    found = of(stood(small, "shadow", kept, [DIARY[0], allowed], limits=softest), "process.policy")
    assert found.severity == "block"


def test_a_verdict_under_a_changed_policy_sets_no_precedent(small: Book) -> None:
    softer = limits(max_error_rate=0.5)
    failed = msgspec.structs.replace(passed("process.policy"), outcome="fail")
    changed = verdict(
        "shadow", "2025-03-05", policy=softer.digest, checks=[failed], started=SHADOW.started
    )
    kept = chain(SHADOW).and_then(changed, softer)
    assert of(stood(small, "shadow", kept, DIARY[:1]), "process.policy").outcome == "pass"
    found = of(stood(small, "shadow", kept, DIARY[:1], limits=softer), "process.policy")
    assert found.outcome == "fail"


def test_keys_that_this_phase_is_not_judged_by_may_change(small: Book) -> None:
    other = msgspec.structs.replace(
        POLICY, trigger=msgspec.structs.replace(POLICY.trigger, error_minutes=9)
    )
    found = stood(small, "shadow", chain(SHADOW), DIARY[:1], limits=other)
    assert of(found, "process.policy").outcome == "pass"
    unknown = Chain(chain(SHADOW).kept)
    found = stood(small, "shadow", unknown, DIARY[:1], limits=other)
    assert of(found, "process.policy").outcome == "fail"  # what changed cannot be said


def test_a_phase_that_began_again(small: Book) -> None:
    moved = [DIARY[0], began("shadow", "2025-03-05")]
    found = of(stood(small, "shadow", chain(SHADOW), moved), "process.start")
    assert (found.outcome, found.severity) == ("fail", "block")
    assert "2025-03-03T00:00Z" in found.sentence
    unrecorded = of(stood(small, "shadow", chain(SHADOW), []), "process.start")
    assert unrecorded.outcome == "fail"
    excused = [*moved, override("restart", "shadow", at="2025-03-05T01")]
    found = of(stood(small, "shadow", chain(SHADOW), excused), "process.start")
    assert found.severity == "warn"
    twice = chain(SHADOW, verdict("shadow", "2025-03-06T12", started="2025-03-05T00:00Z"))
    third = [*excused, began("shadow", "2025-03-07")]
    assert of(stood(small, "shadow", twice, third), "process.start").severity == "block"


def test_champion_and_challenger_the_other_way_round(small: Book) -> None:
    turned = {"champion": "challenger", "challenger": "champion"}
    kept = chain(verdict("shadow", "2025-03-05", models=turned))
    assert of(stood(small, "shadow", kept, DIARY[:1]), "process.roles").outcome == "fail"
    after = [*DIARY[:1], began("decommission", "2025-03-06")]
    assert "process.roles" not in {c.id for c in stood(small, "shadow", kept, after).checks}


def test_a_touched_record_is_never_a_pass(small: Book) -> None:
    kept = Chain(faults=tuple(Fault(f"verdicts/shadow/{n}.json", "was changed") for n in range(5)))
    found = of(stood(small, "shadow", kept, DIARY[:1]), "process.records")
    assert (found.outcome, found.severity) == ("invalid", "block")
    assert "verdicts/shadow/0.json was changed" in found.sentence and "2 more" in found.sentence


def test_two_rollouts_in_one_store(small: Book) -> None:
    kept = chain(verdict("shadow", "2025-03-05", rollout="another"))
    found = of(stood(small, "shadow", kept, DIARY[:1]), "process.store")
    assert (found.outcome, found.severity) == ("undecided", "warn")
    assert "another" in found.sentence


def test_profiles_of_another_rollouts_logs(book: Book) -> None:
    from logbook import times

    for name in ("champion", "challenger", "other"):
        columns = {"request_id": ["a"], "ts": times([0]), "score": [0.5]}
        book.write(f"{name}.parquet", columns)
    book.describe()
    book.scan()
    book.describe(challenger={"paths": ["other.parquet"]})
    found = of(stood(book, "shadow", Chain(), DIARY[:1]), "process.store")
    assert (found.outcome, found.severity) == ("invalid", "block")


def test_the_old_model_is_kept_warm(small: Book) -> None:
    full = began("full", "2025-03-20")
    for days, outcome in ((13, "fail"), (14, "pass")):
        gone = began("decommission", f"2025-04-{days - 11:02d}")
        found = of(stood(small, "full", Chain(), [full, gone]), "process.decommission")
        assert (found.outcome, found.observed.value) == (outcome, days * 24.0)
    still = stood(small, "full", Chain(), [full])
    assert "process.decommission" not in {c.id for c in still.checks}


def test_a_full_rollout_stands_on_all_three(small: Book) -> None:
    found = stood(small, "full", chain(SHADOW), [*DIARY[:2], began("full", "2025-03-20")])
    outcomes = {c.id: c.outcome for c in found.checks if c.id.startswith("process.chain")}
    assert outcomes == {
        "process.chain.shadow": "pass",
        "process.chain.canary": "undecided",
        "process.chain.ab": "fail",
    }


def test_a_table_within_a_table_is_compared_key_by_key() -> None:
    before = msgspec.to_builtins(POLICY)
    assert moved_keys(before, POLICY, "canary") == []
    del before["canary"]["segments"]["q"]  # a version that did not have it yet
    assert moved_keys(before, POLICY, "canary") == []
    before["canary"]["segments"]["q"] = 0.5
    assert moved_keys(before, POLICY, "canary") == ["canary.segments.q was 0.5, is 0.01"]
    assert moved_keys(before, POLICY, "shadow") == []
    assert moved_keys(None, POLICY, "shadow") is None


def harmful(at: str, **change: object) -> Verdict:
    """A canary's verdict that found harm in a segment, read from the phase's start on."""
    check = msgspec.structs.replace(
        passed("infrastructure.segments.errors"), outcome="fail", on_fail="roll back"
    )
    standard = {
        "started": "2025-03-06T09:00Z",
        "window": ("2025-03-06T09:00Z", at),
        "checks": [passed("process.policy"), passed("process.start"), check],
    }
    return verdict("canary", at, "roll back", **{**standard, **change})


def test_harm_that_was_found_stays_found(small: Book) -> None:
    kept = chain(SHADOW, harmful("2025-03-06T20:00Z"))
    found = stood(small, "canary", kept, DIARY[:2], at="2025-03-07T09")
    check = of(found, "process.harm")
    assert (check.outcome, check.severity, check.on_fail) == ("fail", "block", "roll back")
    assert "2025-03-06T20:00Z found harm by infrastructure.segments.errors" in check.sentence
    for events, severity in (
        ([override("harm", "canary", "2025-03-06T21")], "warn"),
        ([override("harm", "canary", "2025-03-06T19")], "block"),  # before it was found
        ([override("restart", "canary", "2025-03-06T21")], "block"),
    ):
        again = stood(small, "canary", kept, [*DIARY[:2], *events], at="2025-03-07T09")
        assert of(again, "process.harm").severity == severity


NO_HARM: dict[str, tuple[Verdict, list[Event]]] = {
    "of a window that was chosen": (
        harmful("2025-03-06T20:00Z", window=("2025-03-06T15:00Z", "2025-03-06T20:00Z")),
        DIARY[:2],
    ),
    "before the phase began anew": (
        harmful("2025-03-06T20:00Z"),
        [*DIARY[:2], Event("2025-03-06T21", "rollback"), began("canary", "2025-03-06T22")],
    ),
    "as of later": (harmful("2025-03-08T00:00Z"), DIARY[:2]),
    "of another model": (
        harmful("2025-03-06T20:00Z", models={**MODELS, "challenger": "v1"}),
        DIARY[:2],
    ),
}


@pytest.mark.parametrize("name", NO_HARM)
def test_what_is_no_harm_of_this_phase(small: Book, name: str) -> None:
    earlier, events = NO_HARM[name]
    found = stood(small, "canary", chain(SHADOW, earlier), events, at="2025-03-07T09")
    assert not [c for c in found.checks if c.id == "process.harm"]
