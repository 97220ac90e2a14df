"""How a verdict is shown to people, shared by `gate` and `nightly`."""

from __future__ import annotations

from analyzer.cli import common
from analyzer.verdict import Verdict


def show(verdict: Verdict) -> None:
    """Print a verdict: the headline, what blocks it, every check, and what stands beside it."""
    common.say(
        f"{verdict.rollout}: {verdict.phase} gate, {verdict.window[0]} to {verdict.window[1]}"
    )
    common.say(f"{verdict.models['challenger']} against {verdict.models['champion']}")
    common.say()
    common.say(f"VERDICT  {verdict.outcome.upper()}  (exit code {verdict.exit_code})")
    common.say(verdict.headline)
    common.say()
    rows = [
        (c.outcome if c.severity == "block" else f"{c.outcome} (shown)", c.id, c.sentence)
        for c in sorted(verdict.checks, key=lambda c: _RANK.get(c.outcome, 3))
    ]
    common.show_table(("outcome", "check", "what was seen"), rows)
    common.say()
    for title, lines in (
        ("When there is enough data", [w.sentence for w in verdict.enough_data]),
        ("What could have been found", verdict.detectable),
        ("This gate on a log where nothing differs", [t.sentence for t in verdict.record]),
        ("Cost of the phase", [verdict.cost]),
        ("Minutes that nothing watched", [f"{verdict.unwatched_minutes:,}"]),
        ("Stands on verdicts", [", ".join(verdict.evidence)] if verdict.evidence else []),
        ("Notes", verdict.notes),
    ):
        if lines:
            common.say(f"{title}:")
            for line in lines:
                common.say(f"  {line}")


_RANK = {"fail": 0, "invalid": 1, "undecided": 2}
