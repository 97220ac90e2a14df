"""What `check` reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from analyzer.logs import Side

Severity = Literal["stops the job", "counted", "note"]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: where, how many rows, what to do. `rows` None: not countable."""

    severity: Severity
    log: str
    file: str
    column: str
    rows: int | None
    problem: str
    remedy: str


@dataclass(frozen=True)
class Need:
    """How long a phase must run for one thing that its gate asks, at this traffic.

    `rate` is assumed to be true, the limit being `limit` (shares of requests), None where a number
    or a time is asked; requests None: never, or not asked; hours None: never, or not known.
    """

    what: str
    limit: float | None
    rate: float | None
    requests: int | None
    hours: float | None
    in_time: bool


@dataclass(frozen=True)
class Check:
    """What `check` found. Instants are ISO 8601, UTC. phase: the one that runs by the diary, which
    the needs are of; traffic is the champion's while requests are mirrored, else the challenger's.
    """

    findings: tuple[Finding, ...]
    needs: tuple[Need, ...]
    files: Mapping[Side, int]
    rows: Mapping[Side, int]
    first: str | None
    last: str | None
    requests_per_hour: float | None
    phase: str = "shadow"

    @property
    def can_run(self) -> bool:
        """Whether nothing stops the job."""
        return all(finding.severity != "stops the job" for finding in self.findings)
