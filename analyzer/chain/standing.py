"""What a verdict stands on: evidence of earlier phases, the process kept, what was overridden."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analyzer.chain.changes import change_checks, restarts
from analyzer.chain.harm import forgotten, harm_checks
from analyzer.chain.kept import Chain
from analyzer.chain.links import decommission_checks, earlier, length_checks, link, link_checks
from analyzer.chain.overrides import overrides_of, set_aside, told
from analyzer.diary import Event
from analyzer.phases.gate import Material
from analyzer.verdict import Check, Override


@dataclass(frozen=True)
class Standing:
    """The checks of a gate with those of its process; digests of the verdicts that carry it;
    every override so far.
    """

    checks: list[Check]
    evidence: list[str]
    overrides: list[Override]

    @property
    def notes(self) -> list[str]:
        """The overrides as sentences."""
        return [told(override) for override in self.overrides]


def stand(
    material: Material,
    checks: Sequence[Check],
    *,
    chain: Chain,
    events: Sequence[Event],
) -> Standing:
    """Join a phase's checks with those of its process.

    chain: what was kept, of any time; a verdict as of later than this one is no evidence for it.
    events: the diary as it was known.
    """
    pasts = earlier(events, material.phase, material.started)
    links = [link(past, chain, material, events) for past in pasts]
    overrides = overrides_of(events, material.rollout.model("challenger"))
    harmed = forgotten(material, chain, checks)
    process = [
        *link_checks(material, links),
        *length_checks(material, pasts),
        *decommission_checks(material, events),
        *change_checks(material, chain, events),
        *harm_checks(material, harmed),
    ]
    joined = set_aside(
        [*process, *checks],
        overrides,
        material.policy,
        material.phase,
        chain.policies,
        restarts(material, chain, events),
        max((kept.at for kept, _ in harmed), default=0),
    )
    evidence = [found.verdict.digest for found in links if found.verdict]
    return Standing(joined, evidence, overrides)
