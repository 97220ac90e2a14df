"""How a verdict is shown to people, shared by `gate` and `nightly`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from analyzer.cli import common
from analyzer.verdict import Check, Verdict

if TYPE_CHECKING:
    from analyzer.chain.kept import Kept

FOLDED = 3
"""So many checks of one kind that all pass are one line."""


def load(path: Path) -> Kept:
    """A verdict from its file, with the digest of its bytes. Raises ConfigError."""
    import hashlib

    import msgspec

    from analyzer.chain.kept import Kept
    from analyzer.errors import ConfigError

    try:
        raw = path.read_bytes()
        found = msgspec.json.decode(raw, type=Verdict)
    except OSError as error:
        raise ConfigError(f"{path}: the verdict cannot be read ({error.strerror})") from None
    except msgspec.DecodeError as error:
        raise ConfigError(f"{path}: is no verdict ({error})") from None
    return Kept(hashlib.sha256(raw).hexdigest()[:16], found)


def note_expired(verdict: Verdict, asked: bool) -> None:
    """Say on stderr that a verdict is over already. asked: whether `--as-of` was given."""
    from analyzer.window import parse

    if parse(verdict.valid_until) > common.now():
        return
    end = "" if asked else ", where the window ends (no --as-of was given)"
    common.note(
        f"This verdict is as of {verdict.as_of}{end} and expired at {verdict.valid_until}: it says "
        "what was true then, and `analyzer route apply` refuses it."
    )


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
    checks = sorted(verdict.checks, key=lambda c: _RANK.get(c.outcome, 3))
    common.show_table(("outcome", "check", "what was seen"), _rows(checks))
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


def _rows(checks: Sequence[Check]) -> list[tuple[str, str, str]]:
    """A row for each check; one for all that pass and differ in what they are about only."""
    alike: dict[str, list[Check]] = {}
    for check in checks:
        if check.outcome == "pass" and check.id.count(".") > 1:
            alike.setdefault(check.id.rpartition(".")[0], []).append(check)
    rows = []
    for check in checks:
        kind = check.id.rpartition(".")[0]
        same = alike.get(kind, [])
        if check.outcome != "pass" or len(same) < FOLDED:
            outcome = check.outcome if check.severity == "block" else f"{check.outcome} (shown)"
            rows.append((outcome, check.id, check.sentence))
        elif check is same[0]:
            about = ", ".join(one.id.rpartition(".")[2] for one in same)
            said = f"{len(same)} checks pass, for {about}; --json and the page show each."
            rows.append(("pass", f"{kind}.*", said))
    return rows


_RANK = {"fail": 0, "invalid": 1, "undecided": 2}
