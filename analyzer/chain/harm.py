"""Harm that an earlier reading of the phase found stays found, also where later rows dilute it.

A gate of users' traffic may stop a phase at any reading, and its chance of stopping a healthy one
is that of ever doing so: nothing is gained by forgetting. What profiles cannot tell any more (in
which hour a few users failed), the kept verdict does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from analyzer.chain.changes import fact, mine
from analyzer.chain.kept import Chain, Kept
from analyzer.phases.gate import Material
from analyzer.verdict import Check
from analyzer.window import HOUR, show

NAME = "process.harm"
Found = Sequence[tuple[Kept, Check]]
"""Kept verdicts with what each found, in order of time."""


def forgotten(material: Material, chain: Chain, checks: Sequence[Check]) -> Found:
    """Harm for which one rolls back, in kept verdicts of this phase that were read from its start
    on, and which the gate does not find now. checks: what it says now.
    """
    if material.started is None:
        return ()
    now = {c.id for c in checks if c.outcome == "fail"}
    return [
        (kept, check)
        for kept in mine(material, chain)
        if kept.at < material.as_of and _of_the_phase(kept, material.started)
        for check in kept.verdict.checks
        if check.severity == "block" and check.outcome == "fail" and check.on_fail == "roll back"
        if check.id not in {*now, NAME}
    ]


def _of_the_phase(kept: Kept, started: int) -> bool:
    """Whether a verdict looked at this very phase from its start on: a window that was chosen may
    show anything.
    """
    first = show(-(-started // HOUR) * HOUR)
    return kept.verdict.started == show(started) and kept.verdict.window[0] == first


def harm_checks(material: Material, found: Found) -> Iterator[Check]:
    """One failed check where harm was found earlier in the phase; nothing where none was."""
    if not found:
        return
    kept, first = found[0]
    others = sorted({check.id for _, check in found} - {first.id})
    also = f" (and {', '.join(others)})" if others else ""
    yield fact(
        material,
        NAME,
        "harm found earlier in this phase",
        "fail",
        f"Verdict {kept.digest} of {kept.verdict.as_of} found harm by {first.id}{also}, which "
        f"later rows no longer show: {first.sentence} A phase may be stopped at any reading, and "
        "that one stopped it. Roll back and begin anew, or record why it was no harm: `analyzer "
        f"event add override REASON --what harm --phase {material.phase}`.",
        harm=True,
    )
