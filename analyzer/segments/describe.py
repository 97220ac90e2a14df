"""The answer of a search in words and numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analyzer.ids import BUCKETS
from analyzer.segments.candidates import Name
from analyzer.segments.evidence import Evidence, overall, weigh
from analyzer.segments.finding import Found, Offset, Predicate, Refusal, Segment, shown
from analyzer.segments.oneway import Margin, one_way, shares_of
from analyzer.segments.peel import Peel, Pick, rows_of
from analyzer.segments.rows import REACH, Rows
from analyzer.segments.setup import Space
from analyzer.segments.table import Outcome, Table
from analyzer.stats.paired import risk_ratio
from analyzer.stats.result import Result, Undefined
from analyzer.verdict import observed

FEW_BUCKETS = 12
SHOWN = 3
"""Combinations of columns that are named, of those that were not counted."""
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


def describe(
    peel: Peel,
    space: Space,
    margins: list[Margin],
    table: Table,
    outcome: Outcome,
    apart: int,
) -> Found:
    """What a finished peel found; `table` and `outcome` are as they were given."""
    rows = peel.rows
    pairs = [(pick, peel.alone(pick)) for pick in peel.picks]
    pairs.sort(key=lambda pair: -abs(pair[1].z))
    picks, evidence = [pick for pick, _ in pairs], [alone for _, alone in pairs]
    corrected = peel.corrected(evidence)
    kept = [i for i in range(len(picks)) if corrected[i] <= peel.settings.q]
    writer = _Writer(peel, space, outcome, table)
    segments = tuple(writer.segment(picks[i], evidence[i], float(corrected[i])) for i in kept)
    offsets = writer.offsets([picks[i] for i in kept], [evidence[i] for i in kept])
    mean = overall(peel.logged)
    treated = rows.groups.treated
    total, left = (float(sums.moments.variance[treated]) for sums in (peel.outcome, peel.left()))
    return Found(
        outcome=outcome.name,
        mode=rows.groups.mode,
        rows=writer.window_rows,
        mean=observed(mean),
        sd=peel.sd,
        segments=segments,
        offsets=offsets,
        one_way=one_way(rows.logged, space.folded, margins),
        cells_tested=peel.tested(),
        cells_apart=apart,
        cells_left=peel.apart(),
        explained=max(0.0, 1 - left / total),
        refusals=writer.refusals(segments),
        notes=writer.notes(),
        bounds=writer.bounds(),
    )


def refused(rows: Rows, table: Table, outcome: Outcome, refusal: Refusal) -> Found:
    """The answer when there is nothing to search."""
    return Found(
        outcome=outcome.name,
        mode=rows.groups.mode,
        rows=rows.table.rows,
        mean=observed(Undefined(refusal.reason, rows.table.rows)),
        sd=0.0,
        segments=(),
        offsets=(),
        one_way=(),
        cells_tested=0,
        cells_apart=0,
        cells_left=0,
        explained=0.0,
        refusals=(refusal,),
        notes=_unmeasured(rows, table, outcome),
        bounds=(),
    )


def _unmeasured(rows: Rows, table: Table, outcome: Outcome) -> tuple[str, ...]:
    lost = table.rows - rows.table.rows
    return (f"{lost:,} rows without {outcome.name} were left out",) if lost else ()


class _Writer:
    """Words and numbers about one peel."""

    def __init__(self, peel: Peel, space: Space, outcome: Outcome, table: Table) -> None:
        self.peel, self.space, self.outcome, self.rows = peel, space, outcome, peel.rows
        self.unmeasured = _unmeasured(peel.rows, table, outcome)
        within = self.rows.in_window
        self.window: Bools | None = within
        self.logged = self.rows.logged
        n = self.rows.table.rows if within is None else int(np.count_nonzero(within))
        self.window_rows = n
        measured = np.isfinite(outcome.values)
        self.flips, self.decided = (
            None if x is None or outcome.flips is None else x[measured]
            for x in (outcome.flips, outcome.decided)
        )

    def predicate(self, name: Name) -> Predicate:
        """A candidate in the words of the table."""
        return tuple(
            (
                self.rows.table.dimensions[column].name,
                self.rows.table.dimensions[column].labels[
                    int(self.space.folded[column].values[value])
                ],
            )
            for column, value in name.where
        )

    def segment(self, pick: Pick, alone: Evidence, p: float) -> Segment:
        """Everything about one segment."""
        raw = self.peel.raw(pick)
        kept = self._in_window(pick.rows)
        n = len(kept)
        where, support = self.predicate(pick.name), n / self.window_rows
        size = np.array([self.logged.size[kept].sum()])
        share = float(shares_of(self.logged, raw.inside, size)[0])
        signs = np.asarray(self.rows.groups.signs)
        mean = float((raw.inside.mean + self.rows.centres) @ signs)
        effect_sd = alone.effect / self.peel.sd
        return Segment(
            where=where,
            hours=pick.name.hours,
            aliases=self._aliases(pick),
            n=n,
            support=support,
            mean=mean,
            effect=observed(raw.result()),
            alone=observed(alone.result()),
            effect_sd=effect_sd,
            z=alone.z,
            deff=alone.deff,
            p=p,
            risk_ratio=observed(self._risk_ratio(pick, kept, raw.deff)),
            share=share,
            lift=share / support if support else 0.0,
            sentence=self._sentence(where, pick, raw, support, share, effect_sd),
        )

    def _sentence(
        self,
        where: Predicate,
        pick: Pick,
        raw: Evidence,
        support: float,
        share: float,
        effect_sd: float,
    ) -> str:
        what = {
            "level": "is",
            "change": "changed by",
            "arms": "differs between the models by",
            "change of arms": "changed between the models by",
        }[self.rows.groups.mode]
        direction = "higher" if raw.effect > 0 else "lower"
        measured = f"{abs(raw.effect):.4g} ({abs(effect_sd):.2g} SD)"
        compared = "those hours' other rows" if pick.name.hours else "the rest"
        if self.rows.groups.mode == "level":
            text = f"{self.outcome.name} {what} {measured} {direction} than in {compared}"
        else:
            more = "more" if raw.effect > 0 else "less"
            text = f"{self.outcome.name} {what} {measured} {more} than in {compared}"
        weight = (
            f"over-represented: {share:.1%} of the divergence on {support:.1%} of the rows"
            if share > support
            else f"{share:.1%} of the divergence on {support:.1%} of the rows"
        )
        return f"{shown(where, pick.name.hours)}: {text}; {weight}"

    def _risk_ratio(self, pick: Pick, kept: Ints, deff: float) -> Result:
        if self.flips is None or self.rows.groups.mode not in ("level", "change"):
            return Undefined("flips are not known for these rows")
        everybody = np.arange(self.rows.table.rows) if pick.scope is None else pick.scope
        flips, n = self._flipped(kept)
        all_flips, all_n = self._flipped(self._in_window(everybody))
        return risk_ratio(flips, n, all_flips - flips, all_n - n, deff=deff)

    def _flipped(self, rows: Ints) -> tuple[float, int]:
        """Flips among some rows, and how many of these have two known decisions."""
        assert self.flips is not None
        known = rows if self.decided is None else rows[self.decided[rows]]
        return float(np.count_nonzero(self.flips[known])), len(known)

    def _in_window(self, rows: Ints) -> Ints:
        return rows if self.window is None else rows[self.window[rows]]

    def _aliases(self, pick: Pick) -> tuple[Predicate, ...]:
        """Other shortest descriptions of the very same rows."""
        lattice = self.peel.ledger.lattice
        mine = rows_of(lattice, Name(pick.name.where))
        n = self.rows.sums(mine, self.rows.whole[mine]).n
        same: list[Name] = []
        for at in np.flatnonzero((lattice.n == n).all(axis=1)).tolist():
            pairs = zip(lattice.columns[at].tolist(), lattice.values[at].tolist(), strict=True)
            name = Name(tuple((c, v) for c, v in pairs if c >= 0))
            if name.where != pick.name.where and np.array_equal(rows_of(lattice, name), mine):
                same.append(name)
        sets = [set(name.where) for name in (Name(pick.name.where), *same)]
        shortest = [n for n in same if not any(other < set(n.where) for other in sets)]
        return tuple(self.predicate(name) for name in sorted(shortest))

    def offsets(self, picks: list[Pick], evidence: list[Evidence]) -> tuple[Offset, ...]:
        """Parents inside which found segments of opposite sign lie."""
        found = []
        for parent in sorted({p for pick in picks for p in _parents(pick.name)}):
            inside = [
                (pick, e)
                for pick, e in zip(picks, evidence, strict=True)
                if set(parent) < set(pick.name.where) and len(pick.name.where) == len(parent) + 1
            ]
            if not (any(e.effect > 0 for _, e in inside) and any(e.effect < 0 for _, e in inside)):
                continue
            found.append(self._offset(Name(parent), [pick for pick, _ in inside]))
        return tuple(found)

    def _offset(self, parent: Name, children: list[Pick]) -> Offset:
        rows = rows_of(self.peel.ledger.lattice, parent)
        effect = weigh(self.logged.sums(rows, self.logged.whole[rows]), self.peel.logged)
        names = tuple(self.predicate(pick.name) for pick in children)
        where = self.predicate(parent)
        return Offset(
            parent=where,
            n=len(self._in_window(rows)),
            effect=observed(effect.result()),
            children=names,
            sentence=f"{shown(where)} as a whole differs by {effect.effect:.4g}; inside it "
            f"segments of opposite sign offset each other: {'; '.join(map(shown, names))}",
        )

    def refusals(self, segments: tuple[Segment, ...]) -> tuple[Refusal, ...]:
        """What cannot be said."""
        found = []
        bucket = self.rows.table.bucket
        buckets = BUCKETS if bucket is None else len(np.unique(bucket))
        if buckets < FEW_BUCKETS:
            sentence = f"the rows come from {buckets} groups of units or hours: too few"
            found.append(Refusal(reason="too few units", sentence=sentence))
        mean = overall(self.peel.logged, 1 - self.peel.settings.q)
        if isinstance(mean, Undefined):
            return tuple(found)
        level = self.rows.groups.mode == "level"
        if level and not (self.outcome.values < 0).any():
            return tuple(found)  # flips and spreads are above 0 wherever there are any
        moved = not mean.low <= 0 <= mean.high
        least = self.peel.settings.min_effect * self.peel.sd
        if moved and not segments and abs(mean.value) >= least:
            sentence = (
                f"{self.outcome.name} {'lies at' if level else 'moved by'} {mean.value:.4g} "
                f"({mean.low:.4g} to {mean.high:.4g}) everywhere alike: no segment stands out"
            )
            found.append(Refusal(reason="uniform change", sentence=sentence))
        return tuple(found)

    def notes(self) -> tuple[str, ...]:
        """How to read the answer."""
        found = list(self.unmeasured)
        if self.rows.table.bucket is None:
            found.append("no unit id: rows are taken as independent, which understates errors")
        if self.rows.beyond:
            found.append(
                f"{self.rows.beyond:,} values beyond {REACH:g} standard deviations were drawn in "
                "to that for the search; effects and shares are of the values as logged"
            )
        return tuple(found)

    def bounds(self) -> tuple[str, ...]:
        """Where the search stopped although there may be more."""
        found = []
        names = self.space.uncounted
        if names:
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            listed = ", ".join(names[:SHOWN]) + more
            found.append(f"not counted, as they have too many values together: {listed}")
        if len(self.peel.picks) >= self.peel.settings.most:
            found.append(f"stopped at {self.peel.settings.most} segments, there may be more")
        return tuple(found)


def _parents(name: Name) -> list[tuple[tuple[int, int], ...]]:
    """A conjunction with one condition left out, each in turn."""
    return [
        tuple(pair for pair in name.where if pair != left_out)
        for left_out in name.where
        if len(name.where) > 1
    ]
