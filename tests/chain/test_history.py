"""What was decided, on what, and what happened next; how long rollbacks took."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from chain.chains import POLICY, began, chain, verdict
from logbook import Book

from analyzer import cli, diary
from analyzer.chain.kept import Chain, Fault, keep
from analyzer.diary import Event
from analyzer.history import history, runs
from analyzer.report.history import report
from analyzer.restored import rollbacks
from analyzer.verdict import digest
from analyzer.window import parse, parse_window

SHADOW = verdict("shadow", "2025-03-06")
CANARY = verdict("canary", "2025-03-07", "hold", evidence=[digest(SHADOW)], headline="Hold: errors")
DIARY = [
    began("shadow", "2025-03-03"),
    Event("2025-03-06T09", "phase", phase="canary", challenger_weight=0.01),
    Event("2025-03-06T10", "override", phase="canary", what="shorten", note="why", source="ana"),
    Event("2025-03-07T01", "trigger", note="errors"),
    Event("2025-03-07T01:04", "rollback", challenger_weight=0.0),
]


def test_each_verdict_with_its_evidence_and_what_followed(small: Book) -> None:
    found = history(small.rollout, POLICY, chain(CANARY, SHADOW), DIARY)
    first, second = found.verdicts
    assert (first.phase, first.outcome, second.outcome) == ("shadow", "promote", "hold")
    assert second.evidence == [first.digest] and first.next_verdict == second.digest
    assert second.why == "errors"
    assert [m.kind for m in found.before] == ["phase"]
    assert [m.kind for m in first.followed] == ["phase", "override"]
    assert [m.kind for m in second.followed] == ["trigger", "rollback"]
    assert [(o.what, o.reason, o.by) for o in found.overrides] == [("shorten", "why", "ana")]
    assert [r.minutes for r in found.rollbacks] == [4.0]
    assert found.weight is not None and found.weight.columns["challenger"][0] == 0.01


def test_as_of_then_and_in_a_window(small: Book) -> None:
    whole = chain(SHADOW, CANARY)
    then = history(small.rollout, POLICY, whole, DIARY, as_of=parse("2025-03-06T09:30"))
    assert [v.phase for v in then.verdicts] == ["shadow"]
    assert [m.kind for m in then.verdicts[0].followed] == ["phase"]
    assert then.overrides == []
    window = parse_window("2025-03-06", "2025-03-07")
    inside = history(small.rollout, POLICY, whole, DIARY, window=window)
    assert [v.phase for v in inside.verdicts] == ["canary"]


def test_nights_that_say_the_same_are_one_run(small: Book) -> None:
    nights = [verdict("shadow", f"2025-03-0{day}", "undecided") for day in (4, 5, 6, 8)]
    events = [Event("2025-03-07", "note", note="a deployment")]
    found = history(small.rollout, POLICY, chain(*nights), events)
    assert [len(run) for run in runs(found.verdicts)] == [3, 1]
    changed = msgspec.structs.replace(nights[1], blocking=["model.score_psi"])
    found = history(small.rollout, POLICY, chain(nights[0], changed, nights[2]), [])
    assert [len(run) for run in runs(found.verdicts)] == [1, 1, 1]


SERVES = Event("2025-03-07", "weight", challenger_weight=0.05)
ZERO = Event("2025-03-07T02:05", "weight", challenger_weight=0.0)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], []),
        ([Event("2025-03-07T02", "trigger"), ZERO], [("pass", 5.0)]),
        ([Event("2025-03-07T01:59:59", "rollback"), ZERO], [("fail", 5 + 1 / 60)]),
        # the weight alone tells one instant; a confirmation behind it tells the other
        ([Event("2025-03-07T02", "rollback", challenger_weight=0.0)], [("undecided", None)]),
        ([Event("2025-03-07T02", "rollback", challenger_weight=0.0), ZERO], [("pass", 5.0)]),
        ([Event("2025-03-07T02", "rollback")], [("undecided", None)]),
        ([Event("2025-03-07T02", "trigger")], []),
        (
            [Event("2025-03-07T02", "trigger"), Event("2025-03-07T02:04", "rollback"), ZERO],
            [("pass", 5.0)],
        ),
        # nothing to take away: the challenger serves nobody
        ([ZERO, Event("2025-03-07T03", "trigger"), Event("2025-03-08", "note")], []),
        (
            [
                Event("2025-03-07T02", "trigger"),
                Event("2025-03-07T03", "weight", challenger_weight=0.1),
            ],
            [],
        ),
        (
            [
                Event("2025-03-07T02", "trigger"),
                ZERO,
                Event("2025-03-08", "weight", challenger_weight=0.01),
                Event("2025-03-09", "rollback"),
                Event("2025-03-09T00:30", "weight", challenger_weight=0.0),
            ],
            [("pass", 5.0), ("fail", 30.0)],
        ),
    ],
)
def test_how_long_a_rollback_took(
    events: list[Event], expected: list[tuple[str, float | None]]
) -> None:
    found = rollbacks([SERVES, *events], 5.0)
    assert [(r.outcome, r.minutes) for r in found] == expected


def test_the_same_history_is_the_same_page(small: Book) -> None:
    kept = chain(SHADOW, CANARY)
    one, two = (report(history(small.rollout, POLICY, kept, DIARY)) for _ in range(2))
    assert one == two
    assert SHADOW.headline.encode()[:4] in one and b"within 5" in one
    assert b"default-src &#39;none&#39;" in one or b"default-src 'none'" in one
    empty = report(history(small.rollout, POLICY, Chain(), []))
    assert b"No verdict yet" in empty


def test_a_touched_file_is_told(small: Book) -> None:
    kept = Chain(faults=(Fault("verdicts/shadow/x.json", "was changed"),))
    found = history(small.rollout, POLICY, kept, [])
    assert [f.problem for f in found.untrusted] == ["was changed"]
    assert b"verdicts/shadow/x.json" in report(found)


def test_the_command(book: Book, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book.describe()
    config = ["--config", str(book.root / "rollout.toml")]
    assert cli.run(["history", *config]) == 0
    assert "0 verdicts kept" in capsys.readouterr().out
    for hour in range(6):
        one = verdict("shadow", f"2025-03-05T0{hour}", "undecided", headline="Undecided: x\x1b[31m")
        keep(book.rollout.store_path, one, POLICY)
    for event in DIARY:
        diary.append(diary.path_of(book.rollout), event)
    page = tmp_path / "h.html"
    assert cli.run(["history", *config, "--html", str(page)]) == 0
    text = capsys.readouterr().out
    assert "and 4 more alike" in text and "\x1b" not in text
    assert "pass: trigger 2025-03-07T01:00Z: champion restored after 4 minutes" in text
    table = text.partition("\n\nOverridden")[0]
    assert max(map(len, table.splitlines())) <= 80
    assert page.read_bytes().startswith(b"<!doctype html>")
    assert cli.run(["history", *config, "--all"]) == 0
    assert capsys.readouterr().out.count("shadow gate") == 6
    assert cli.run(["history", *config, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["verdicts"]) == 6
    assert cli.run(["history", *config, "--html", str(tmp_path / "no" / "h.html")]) == 1
    assert "cannot be written" in capsys.readouterr().err
