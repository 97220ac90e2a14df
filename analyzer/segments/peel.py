"""The peel: name the segment that differs most, take its effect off, look again, until none does.

Effects of all segments found are fitted together after each step (`fit`), and each is questioned
once the first round is over: what would be named in its place if it had not been? A segment that
only stood for two overlapping ones, or that others made superfluous, goes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyzer.segments.candidates import Ledger, Name, Standing
from analyzer.segments.evidence import Evidence, weigh
from analyzer.segments.fit import Fit, Member
from analyzer.segments.lattice import Lattice
from analyzer.segments.rows import Rows
from analyzer.segments.settings import Settings
from analyzer.segments.times import Clock
from analyzer.stats.contrast import two_sided_p
from analyzer.stats.multiplicity import benjamini_yekutieli

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SHORTLIST = 12
"""How many leaders are weighed by their own units before one is named."""
PATIENCE = 5
"""How many shortlists are tried when nobody on them holds."""


@dataclass(frozen=True, eq=False)
class Pick:
    """A segment named by the peel, with the rows it stands for and those it is compared within."""

    name: Name
    rows: Ints
    scope: Ints | None
    member: Member


@dataclass(frozen=True)
class _Own:
    """What a candidate's own units say about its variance: kept, because it hardly moves."""

    factor: float
    df: float


class Peel:
    """One search over one outcome."""

    def __init__(
        self, rows: Rows, ledger: Ledger, clock: Clock | None, fit: Fit, settings: Settings
    ) -> None:
        self.rows, self.ledger, self.clock, self.fit = rows, ledger, clock, fit
        self.settings = settings
        self.sd = float(np.sqrt(ledger.whole().variance[rows.groups.treated]))
        self.picks: list[Pick] = []
        self._own: dict[Name, _Own] = {}
        self._members: dict[Name, Pick] = {}

    def run(self) -> None:
        """Name segments until nothing passes or there are as many as the settings allow."""
        self._forward()
        for _ in range(2):
            if not self._reconsider():
                break
            self._forward()

    def standings(self) -> list[Standing]:
        """How all candidates stand now, in all hours and in their best hours."""
        found = [self.ledger.standing()]
        by_hour = self.clock.standing() if self.clock is not None else None
        return [*found, by_hour] if by_hour is not None else found

    def critical(self, standings: list[Standing]) -> float:
        """The largest p that is rejected, corrected over all candidates; -1 if none is."""
        p = np.concatenate([s.p for s in standings])
        return float(np.max(p[benjamini_yekutieli(p, self.settings.q).rejected], initial=-1.0))

    def passing(self, standing: Standing, critical: float) -> NDArray[np.bool_]:
        """Which candidates differ significantly and by the least effect at least."""
        least = self.settings.min_effect * self.sd
        return (standing.p <= critical) & (np.abs(standing.effect) >= least)

    def apart(self) -> int:
        """How many candidates differ now."""
        standings = self.standings()
        critical = self.critical(standings)
        return sum(int(np.count_nonzero(self.passing(s, critical))) for s in standings)

    def tested(self) -> int:
        """How many cells were compared: candidates, and candidates in each interval tried."""
        hourly = 0 if self.clock is None else len(self.clock.ledger.deff) * len(self.clock.tried)
        return len(self.ledger.deff) + hourly

    def weigh(self, pick: Pick, values: Floats) -> Evidence:
        """Evidence for a segment in the outcome or in what is left of it."""
        return weigh(self.rows, values, pick.rows, pick.scope)

    def alone(self, pick: Pick) -> Evidence:
        """Evidence for a segment after the other segments' effects are taken off."""
        values = self.fit.residual.copy()
        acted_on = self.rows.acted_on
        rows = pick.rows if acted_on is None else pick.rows[acted_on[pick.rows]]
        values[rows] += round(self.fit.effects[pick.member])
        return self.weigh(pick, values)

    def corrected(self, evidence: list[Evidence]) -> Floats:
        """p of each pick, corrected over all candidates of what is left and the picks."""
        own = np.array([e.p for e in evidence])
        p = np.concatenate([own, *(s.p for s in self.standings())])
        return benjamini_yekutieli(p, self.settings.q).p[: len(own)]

    def _forward(self) -> None:
        while len(self.picks) < self.settings.most:
            name = self._best()
            if name is None or any(pick.name == name for pick in self.picks):
                return
            self._add(name)

    def _reconsider(self) -> bool:
        """Question every pick; True when one was replaced or dropped."""
        changed = False
        for pick in list(self.picks):
            if len(self.picks) == 1:
                return changed
            self._drop(pick)
            name = self._best()
            changed |= name != pick.name
            if name is not None and all(other.name != name for other in self.picks):
                self._add(name)
        return changed

    def _best(self) -> Name | None:
        """The candidate with the best score on its own units' variance that holds, if any."""
        standings = self.standings()
        found: list[tuple[float, Name]] = []
        critical = self.critical(standings)
        for standing in standings:
            best: list[tuple[float, Name]] = []
            leaders = standing.leaders(self.passing(standing, critical))
            for rank, at in enumerate(leaders, start=1):
                weighed = self._weighed(standing, at, critical)
                if weighed is not None:
                    best.append((weighed, standing.name(at)))
                if (best and rank >= SHORTLIST) or rank >= SHORTLIST * PATIENCE:
                    break
            found += [max(best, key=lambda pair: pair[0])] if best else []
        return max(found, key=lambda pair: pair[0])[1] if found else None

    def _weighed(self, standing: Standing, at: int, critical: float) -> float | None:
        """Score of a candidate on its own units' variance; None when it does not hold."""
        name = standing.name(at)
        if name not in self._own:
            pick = self._pick(name)
            evidence = self.weigh(pick, self.fit.residual)
            z = abs(evidence.z)
            factor = abs(standing.z[at]) / z if z > 0 else np.inf
            self._own[name] = _Own(float(factor), evidence.df)
        own = self._own[name]
        z = abs(float(standing.z[at])) / own.factor
        tries = len(self.clock.tried) if standing.hours is not None and self.clock else 1
        own_p = float(two_sided_p(z, own.df)) if own.df >= 1 else 1.0
        if min(own_p * tries, 1.0) > critical:
            return None
        cost = float(standing.z[at]) ** 2 - float(standing.score[at])
        return z * z - cost

    def _pick(self, name: Name) -> Pick:
        """Rows and scope of a candidate, not yet known to the fit."""
        rows = rows_of(self.ledger.lattice, name)
        scope = None
        if name.hours is not None:
            within = _within(self.rows, name.hours)
            rows, scope = rows[within[rows]], np.flatnonzero(within)
        return Pick(name, rows, scope, Member(-1, None))

    def _add(self, name: Name) -> None:
        pick = self._members.get(name)
        if pick is None:
            found = self._pick(name)
            scope = None if found.scope is None else self.fit.know(found.scope)
            pick = Pick(name, found.rows, found.scope, Member(self.fit.know(found.rows), scope))
            self._members[name] = pick
        self.picks.append(pick)
        self.fit.effects[pick.member] = 0.0
        self._refit()

    def _drop(self, pick: Pick) -> None:
        self.picks.remove(pick)
        del self.fit.effects[pick.member]
        self._refit()

    def _refit(self) -> None:
        moved, old = self.fit.refit()
        self.ledger.update(moved, old)
        if self.clock is not None:
            self.clock.ledger.update(moved, old)


def rows_of(lattice: Lattice, name: Name) -> Ints:
    """Numbers of the rows for which every condition holds, in any hour."""
    held: NDArray[np.bool_] | None = None
    for column, value in name.where:
        equal = lattice.arrays[column] == value
        held = equal if held is None else held & equal
    assert held is not None
    return np.flatnonzero(held)


def _within(rows: Rows, hours: tuple[int, int]) -> NDArray[np.bool_]:
    """Rows of some hours, and all rows of the groups that effects do not act on."""
    assert rows.table.hour is not None
    held = (rows.table.hour >= hours[0]) & (rows.table.hour < hours[1])
    acted_on = rows.acted_on
    return held if acted_on is None else held | ~acted_on
