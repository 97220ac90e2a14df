"""The peel: name the segment that differs most, take its effect off, look again, until none does.

Effects of all segments found are fitted together after each step (`fit`), and each is questioned
once the first round is over: what would be named in its place if it had not been? A segment that
only stood for two overlapping ones, or that others made superfluous, goes. So does one inside
which two or three segments explain more than it does.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from analyzer.segments.candidates import Ledger, Name, Standing
from analyzer.segments.evidence import Evidence, weigh
from analyzer.segments.fit import Fit, Member
from analyzer.segments.lattice import Lattice
from analyzer.segments.rows import Rows, Sums
from analyzer.segments.settings import Settings
from analyzer.segments.times import Clock
from analyzer.stats.contrast import two_sided_p
from analyzer.stats.laws import norm_isf
from analyzer.stats.multiplicity import benjamini_yekutieli

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
ROUNDS = 2
QUESTIONED = 8
"""How many picks, the clearest, are questioned: where there are many, each is one of a web of
overlapping differences and a fit of all of them costs as much again."""
CHILDREN = 3
"""How many segments inside one may take its place."""
WEAK = 400.0
"""Score (a z of 20) below which overlapping segments are looked for inside a pick."""
SCREEN = 0.8
"""Share of the z a candidate needs at which it is weighed on its own units."""
REMEMBERED = 16
"""How many standings are kept."""
SEEN = 2.0
"""z in the outcome as logged that a segment needs, in the same direction: of segments that overlap
much, one may seem to rise only because the effects fitted to the others make it fall."""
PATIENCE = 60
"""How many leaders are weighed on their own units before the search gives up."""


@dataclass(frozen=True, eq=False)
class Pick:
    """A segment named by the peel, with the rows it stands for and those it is compared within."""

    name: Name
    rows: Ints
    scope: Ints | None
    member: Member


@dataclass(frozen=True)
class Leader:
    """A candidate that holds, and its score."""

    score: float
    name: Name


Among = Callable[[Standing], NDArray[np.bool_]]
"""Which candidates of a standing are considered."""


@dataclass(frozen=True)
class _Own:
    """What a candidate's own units say about its variance: kept, because it hardly moves.

    logged: its z in the outcome as logged, before any segment's effect was taken off.
    """

    factor: float
    df: float
    logged: float


class Peel:
    """One search over one outcome."""

    def __init__(
        self, rows: Rows, ledger: Ledger, clock: Clock | None, fit: Fit, settings: Settings
    ) -> None:
        self.rows, self.ledger, self.clock, self.fit = rows, ledger, clock, fit
        self.settings = settings
        self.sd = float(np.sqrt(ledger.whole().variance[rows.groups.treated]))
        self.outcome = rows.sums(None, rows.whole)
        logged = rows.logged
        self.logged = self.outcome if logged is rows else logged.sums(None, logged.whole)
        self.picks: list[Pick] = []
        self._own: dict[Name, _Own] = {}
        self._members: dict[Name, Pick] = {}
        self._known: dict[tuple[frozenset[Name], bool], Standing | None] = {}
        self.candidates = len(ledger.deff) + (0 if clock is None else len(clock.ledger.deff))

    def run(self) -> None:
        """Name segments until nothing passes or there are as many as the settings allow."""
        self._forward()
        for _ in range(ROUNDS):
            questioned = 0
            for pick in self.picks[:QUESTIONED]:
                questioned += self._question(pick)
            if not questioned:
                break
            self._forward()

    def standings(self, hours: bool = True) -> list[Standing]:
        """How all candidates stand now, in all hours and in their best hours where asked for.

        Remembered by what is named: questioning a pick returns to where it was.
        """
        named = frozenset(pick.name for pick in self.picks)
        key = (named, False)
        if key not in self._known:
            self._known[key] = self.ledger.standing()
        found = [self._known[key]]
        if hours and self.clock is not None:
            if (named, True) not in self._known:
                self._known[named, True] = self.clock.standing()
            found.append(self._known[named, True])
        while len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]
        return [standing for standing in found if standing is not None]

    def critical(self, named: int = 1) -> float:
        """Up to which p a candidate holds: the step-up limit q k / (m sum 1/i) of Benjamini and
        Yekutieli, m candidates, of which the k named ones alone count as rejected.

        Screening variances reject more, but are too small where one unit has most of the rows.
        """
        m = self.candidates
        return self.settings.q * named / max(m * float(np.sum(1 / np.arange(1, m + 1))), 1.0)

    def passing(self, standing: Standing, critical: float) -> NDArray[np.bool_]:
        """Which candidates differ significantly and by the least effect at least."""
        least = self.settings.min_effect * self.sd
        return (standing.p <= critical) & (np.abs(standing.effect) >= least)

    def apart(self) -> int:
        """How many candidates differ now."""
        standings = self.standings()
        critical = self.critical()
        return sum(int(np.count_nonzero(self.passing(s, critical))) for s in standings)

    def tested(self) -> int:
        """How many cells were compared: candidates, and candidates in each interval tried."""
        hourly = 0 if self.clock is None else len(self.clock.ledger.deff) * len(self.clock.tried)
        return len(self.ledger.deff) + hourly

    def raw(self, pick: Pick) -> Evidence:
        """Evidence for a segment in the outcome as it was logged."""
        rows = self.rows.logged
        scope = pick.scope
        whole = self.logged if scope is None else rows.sums(scope, rows.whole[scope])
        return weigh(rows.sums(pick.rows, rows.whole[pick.rows]), whole)

    def alone(self, pick: Pick) -> Evidence:
        """Evidence for a segment after the other segments' effects are taken off."""
        return self._weigh(pick, float(round(self.fit.effects[pick.member])))

    def left(self) -> Sums:
        """Sums over all rows of what the effects fitted leave."""
        total, squares = (self.ledger.lattice.slots.groups(x[-1]) for x in self.ledger.sums())
        by_bucket = self.outcome.bucket_total.copy()
        for member, step in self.fit.steps().items():
            by_bucket[self.rows.groups.treated] -= step * self.fit.bucket_n[member.bit]
        return replace(self.outcome, total=total, squares=squares, bucket_total=by_bucket)

    def _weigh(self, pick: Pick, effect: float = 0.0) -> Evidence:
        """Evidence for a segment in what is left, after `effect` is added to its rows again."""
        scope = pick.scope
        whole = self.left() if scope is None else self.rows.sums(scope, self.fit.left(scope))
        inside = self.fit.left(pick.rows)
        part = self.rows.sums(pick.rows, inside)
        if effect:
            acted_on = self.rows.acted_on
            inside += effect if acted_on is None else effect * acted_on[pick.rows]
            before, part = part, self.rows.sums(pick.rows, inside)
            whole = whole.moved(before, part)
        return weigh(part, whole)

    def corrected(self, evidence: list[Evidence]) -> Floats:
        """p of each pick, corrected over all candidates; those not named count as 1."""
        own = [e.p for e in evidence]
        others = self.candidates - len(own)
        p = np.concatenate([own, np.ones(max(others, 0))])
        return benjamini_yekutieli(p, self.settings.q).p[: len(own)]

    def _forward(self) -> None:
        while len(self.picks) < self.settings.most:
            best = self._best(self.standings())
            if best is None or any(pick.name == best.name for pick in self.picks):
                return
            self._add(best.name)

    def _question(self, pick: Pick) -> bool:
        """Would another be named in its place, or none, or several inside it? True if so."""
        self._drop(pick)
        standings = self.standings(hours=pick.name.hours is not None)
        best = self._best(standings)
        if best is None or best.name != pick.name:
            if best is not None and all(other.name != best.name for other in self.picks):
                self._add(best.name)
            return True
        if pick.name.hours is None and self._may_split(pick, standings[0], best.score):
            return self._split(pick, best.score)
        self._add(pick.name)
        return False

    def _may_split(self, pick: Pick, standing: Standing, score: float) -> bool:
        """Whether segments inside a pick could together explain more.

        Those of one combination of columns do not overlap, so that their scores add. Overlapping
        ones can only hide behind a weak pick: a strong one they would have been named beside.
        """
        inside = np.flatnonzero(standing.inside(pick.name, self._n_of(pick)))
        if not len(inside):
            return False
        _, kind = np.unique(standing.lattice.columns[inside], axis=0, return_inverse=True)
        scores = standing.score[inside]
        sums = [
            float(np.sort(scores[(kind == k) & (scores > 0)])[-CHILDREN:].sum())
            for k in range(int(kind.max()) + 1)
        ]
        return max(sums) > score or (score < WEAK and CHILDREN * float(scores.max()) > score)

    def _n_of(self, pick: Pick) -> Floats:
        return self.rows.sums(pick.rows, self.rows.whole[pick.rows]).n

    def _split(self, pick: Pick, score: float) -> bool:
        """Replace a dropped pick by segments inside it that together explain more."""
        n = self._n_of(pick)
        children: list[Leader] = []
        while len(children) < CHILDREN:
            child = self._best(self.standings(hours=False), lambda s: s.inside(pick.name, n))
            if child is None or any(other.name == child.name for other in self.picks):
                break
            children.append(child)
            self._add(child.name)
        if sum(child.score for child in children) > score:
            return True
        for child in children:
            self._drop(self._members[child.name])
        self._add(pick.name)
        return False

    def _best(self, standings: list[Standing], among: Among | None = None) -> Leader | None:
        """The candidate with the best score that holds on its own units' variance, if any."""
        critical = self.critical(len(self.picks) + 1)
        screen = float(two_sided_p(SCREEN * norm_isf(critical / 2)))
        found = []
        for standing in standings:
            passing = self.passing(standing, screen)
            leaders = standing.leaders(passing if among is None else passing & among(standing))
            uncertain: list[set[tuple[int, int]]] = []
            for at in islice(leaders, PATIENCE):
                name = standing.name(at)
                if any(where < set(name.where) for where in uncertain):
                    continue  # a piece of what is not certain as a whole
                if name.hours and any(name.where == pick.name.where for pick in self.picks):
                    continue  # named already; other hours of the same rows add a course in time
                if self._holds(standing, at, critical):
                    found.append(Leader(float(standing.score[at]), name))
                    break
                uncertain.append(set(name.where))
        return max(found, key=lambda leader: leader.score) if found else None

    def _holds(self, standing: Standing, at: int, critical: float) -> bool:
        """Whether a candidate passes on its own units' variance as well."""
        name = standing.name(at)
        if name not in self._own:
            evidence = self._weigh(self._pick(name))
            z = abs(evidence.z)
            factor = abs(float(standing.z[at])) / z if z > 0 else math.inf
            logged = self.raw(self._pick(name)).z
            self._own[name] = _Own(factor, evidence.df, logged)
        own = self._own[name]
        if own.logged * math.copysign(1.0, float(standing.z[at])) < SEEN:
            return False
        tries = len(self.clock.tried) if standing.hours is not None and self.clock else 1
        p = float(two_sided_p(float(standing.z[at]) / own.factor, own.df)) if own.df >= 1 else 1.0
        return p * tries <= critical

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
        self.fit.refit()

    def _drop(self, pick: Pick) -> None:
        self.picks.remove(pick)
        del self.fit.effects[pick.member]
        self.fit.refit()


def rows_of(lattice: Lattice, name: Name) -> Ints:
    """Numbers of the rows for which every condition holds, in any hour."""
    held: NDArray[np.bool_] | None = None
    for column, value in name.where:
        equal = lattice.arrays[column] == value
        held = equal if held is None else held & equal
    assert held is not None
    return np.flatnonzero(held)


def _within(rows: Rows, hours: tuple[int, int]) -> NDArray[np.bool_]:
    """Rows of some hours, of every group."""
    assert rows.table.hour is not None
    return (rows.table.hour >= hours[0]) & (rows.table.hour < hours[1])
