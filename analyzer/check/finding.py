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
    """How long the shadow phase must run to establish one limit at this traffic.

    `rate` is assumed to be true, the limit being `limit` (shares of requests); None: never.
    """

    what: str
    limit: float
    rate: float
    requests: int | None
    hours: float | None
    in_time: bool


@dataclass(frozen=True)
class Check:
    """What `check` found. Instants are ISO 8601, UTC; traffic is the champion's."""

    findings: tuple[Finding, ...]
    needs: tuple[Need, ...]
    files: Mapping[Side, int]
    rows: Mapping[Side, int]
    first: str | None
    last: str | None
    requests_per_hour: float | None

    @property
    def can_run(self) -> bool:
        """Whether nothing stops the job."""
        return all(finding.severity != "stops the job" for finding in self.findings)
