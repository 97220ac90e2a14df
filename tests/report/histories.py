"""Made-up content of the page about a rollout's history."""

from __future__ import annotations

from functools import cache

from report.specimens import HOSTILE, instant

from analyzer.diagnose.findings import Hours, Moment
from analyzer.history import Decided, History, Untrusted
from analyzer.report import history
from analyzer.restored import Rollback
from analyzer.verdict import Override, Step


@cache
def hostile() -> bytes:
    """A page whose every name is hostile."""
    return history.report(made(HOSTILE, verdicts=len(HOSTILE)))


@cache
def large() -> bytes:
    """A year of nights and a month of hourly canaries, with a diary to match."""
    return history.report(made([f"reason number {n}" for n in range(40)], verdicts=1_000))


def made(names: list[str], verdicts: int) -> History:
    """A history of so many verdicts, each with an event behind it."""
    outcomes = ("promote", "hold", "undecided", "roll back")
    kinds = ("phase", "weight", "rollback", "incident", "note", "trigger")

    def pick(i: int) -> str:
        return names[i % len(names)]

    overrides = [
        Override(phase="canary", what="skip", reason=name, by=pick(i + 1), at=instant(i))
        for i, name in enumerate(names)
    ]
    decided = [
        Decided(
            digest=f"{i:016x}",
            as_of=instant(i),
            phase="canary",
            outcome=outcomes[i % 4],  # type: ignore[arg-type]
            headline=f"{outcomes[i % 4].capitalize()}: {pick(i)}",
            window=(instant(0), instant(i)),
            valid_until=instant(i + 24),
            started=None,
            models={"champion": pick(i), "challenger": pick(i + 1)},
            policy="0" * 16,
            blocking=[pick(i)],
            evidence=[f"{i - 1:016x}"] if i else [],
            overrides=overrides[:1],
            next=Step("ab", 0.5) if i % 4 == 0 else None,
            followed=[
                Moment(
                    at=instant(i + 0.5),
                    kind=kinds[i % 6],
                    text=pick(i),
                    challenger_weight=0.01 if i % 2 else None,
                    source=pick(i + 2),
                )
            ],
            next_verdict=None,
        )
        for i in range(verdicts)
    ]
    return History(
        rollout=names[0],
        window=None,
        before=[],
        verdicts=decided,
        overrides=overrides,
        rollbacks=[
            Rollback(
                decided=instant(2),
                decided_by="trigger",
                restored=instant(2.1),
                minutes=6.0,
                limit=5.0,
                outcome="fail",
                sentence=f"trigger: {pick(1)}",
            )
        ],
        untrusted=[Untrusted(file=f"verdicts/{name}.json", problem=name) for name in names[:6]],
        others=names[:6],
        weight=Hours(
            start=instant(0), step_minutes=60, columns={"challenger": [0.0, 0.01, None, 0.05] * 6}
        ),
    )
