"""The changes of a label day as tables: -1 where a label leaves a cell, +1 where it enters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analyzer.ids import BUCKETS
from analyzer.labels.calls import BY_DECISION
from analyzer.labels.join import CONFLICT, CONFLICTING, LABELLED, Changes
from analyzer.labels.requests import HAS
from analyzer.labels.said import Said, both_said
from analyzer.labels.strata import cuts, stratum, words
from analyzer.labels.sums import PAIR_SUMS, SIDE_SUMS, cells, losses
from analyzer.labels.tables import PAIR_BUCKETS, words_of
from analyzer.logs import SIDES, Side
from analyzer.profile import Tables, empty, repeat, table
from analyzer.scan.narrow import Shape

SEGMENT_BINS = 16
"""Fine bins of the score that are one bin in a segment."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Arrays = dict[str, NDArray[Any]]


class Counting:
    """Tables of one label day, filled prediction day by prediction day."""

    def __init__(self, shape: Shape, day: int) -> None:
        self.shape, self.day = shape, day
        self.kind = shape.rollout.label_kind
        self.words = pa.array([*words_of(self.kind, shape.frozen), None], pa.string())
        self.sides = [empty("labelled", ["n", *SIDE_SUMS[self.kind]])]
        self.pairs = [empty("labelled_pairs", ["n", *PAIR_SUMS[self.kind]])]
        self.made = [empty("predicted_pairs", ["n", *PAIR_SUMS[self.kind]])]
        self.explored = [empty("explored_pairs", ["n", *PAIR_SUMS[self.kind]])]
        self.faults: dict[str, int] = {}
        self.basis: dict[str, int] = {}

    def fault(self, reason: str, n: int) -> None:
        """Count labels that were left out."""
        self.faults[reason] = self.faults.get(reason, 0) + n

    def of_day(self, predicted: int, changes: Changes) -> Counting:
        """The changes among requests of one prediction day, counted by themselves."""
        found = Counting(self.shape, self.day)
        found.add(predicted, changes)
        return found

    def extend(self, other: Counting) -> None:
        """Add what was counted elsewhere."""
        for mine, more in (
            (self.sides, other.sides),
            (self.pairs, other.pairs),
            (self.made, other.made),
            (self.explored, other.explored),
        ):
            mine += more
        for counts, others in ((self.faults, other.faults), (self.basis, other.basis)):
            for reason, n in others.items():
                counts[reason] = counts.get(reason, 0) + n

    def add(self, predicted: int, changes: Changes) -> None:
        """Count the changes among requests predicted on a day (since 1970)."""
        conflicts = [np.count_nonzero(s == CONFLICT) for s in (changes.before, changes.after)]
        self.fault(CONFLICTING, int(conflicts[1] - conflicts[0]))
        moved = (changes.before != LABELLED) | (changes.after != LABELLED)
        moved |= changes.old != changes.new
        left = np.flatnonzero(moved & (changes.before == LABELLED))
        entered = np.flatnonzero(moved & (changes.after == LABELLED))
        at = np.concatenate((left, entered))
        rows = {name: values[at] for name, values in changes.rows.items()}
        label = np.concatenate((changes.old[left], changes.new[entered]))
        sign = np.repeat([-1, 1], [len(left), len(entered)])
        said = {side: Said(self.shape, rows, side, label) for side in SIDES}
        for side in SIDES:
            asked = (rows["has"] & HAS[side]) > 0
            lost = asked & ~said[side].usable
            self.fault(f"no usable prediction of the {side}", int(sign[lost].sum()))
            chosen = np.flatnonzero(asked & said[side].usable)
            self._add_side(predicted, side, said[side].at(chosen), rows, sign, chosen)
            self._add_basis(side, said[side].at(chosen), sign[chosen])
            alone = np.flatnonzero(asked & said[side].usable & ~both_said(rows, said))
            self._add_margin(predicted, f"{side} alone", said[side].at(alone), sign[alone])
        self.pairs.append(self._pairs("labelled_pairs", predicted, rows, said, sign))
        if "chance" in rows:
            let = np.flatnonzero(rows["chance"] > 0)
            some = {name: values[let] for name, values in rows.items()}
            of = {side: said[side].at(let) for side in SIDES}
            chance = {"chance": some["chance"]}
            table_ = self._pairs("explored_pairs", predicted, some, of, sign[let], chance)
            self.explored.append(table_)

    def add_predicted(self, predicted: int, rows: Arrays) -> None:
        """Count all pairs of a prediction day as if their label were 0 and were here."""
        label = np.zeros(len(rows["has"]))
        said = {side: Said(self.shape, rows, side, label) for side in SIDES}
        sign = np.ones(len(label), dtype=np.int64)
        if self.shape.rollout.labels.arrival == "positives":
            both = np.flatnonzero(both_said(rows, said))
            for side in SIDES:
                self._add_margin(predicted, f"{side} made", said[side].at(both), sign[both])
        self.made.append(self._pairs("predicted_pairs", predicted, rows, said, sign))

    def _add_side(
        self, predicted: int, side: Side, said: Said, rows: Arrays, sign: Ints, chosen: Ints
    ) -> None:
        if not len(chosen):
            return
        sums = said.sums()
        bins = said.bins()
        keys = {"called": said.called, "label": said.code}
        self._side_cells(predicted, side, "", {"bin": bins, **keys}, sums, sign[chosen])
        for segment, value in cuts(self.shape, rows).items():
            wide = {"value": value[chosen], "bin": bins // SEGMENT_BINS, **keys}
            self._side_cells(predicted, side, segment, wide, sums, sign[chosen])

    def _add_basis(self, side: Side, said: Said, sign: Ints) -> None:
        """Count by what it was told what the model called."""
        if self.kind != "binary":
            return
        how = {
            "the logged decision": said.logged >= BY_DECISION,
            "the score's threshold": (said.logged >= 0) & (said.logged < BY_DECISION),
            "unknown: no decision was logged": said.logged < 0,
        }
        for told, rows in how.items():
            what = f"{side}: {told}"
            self.basis[what] = self.basis.get(what, 0) + int(sign[rows].sum())

    def _add_margin(self, predicted: int, model: str, said: Said, sign: Ints) -> None:
        """Fine bins of rows that a ranking of pairs needs beside each model's own."""
        if self.kind == "binary" and len(sign):
            keys = {"bin": said.bins(), "called": said.called, "label": said.code}
            self._side_cells(predicted, model, "", keys, said.sums(), sign)

    def _side_cells(
        self,
        predicted: int,
        side: str,
        segment: str,
        keys: Mapping[str, NDArray[Any]],
        sums: Mapping[str, Floats],
        sign: Ints,
    ) -> None:
        found = cells(keys, sums, sign)
        rows = len(found["n"])
        value = words(self.shape, segment, found.get("value", found["n"]))
        columns = {
            **self._days(predicted, rows),
            "model": repeat(side, rows),
            "column": repeat(segment, rows),
            "value": value,
            "bin": found["bin"],
            "called": self._word(found["called"]),
            "label": self._word(found["label"]),
        }
        self.sides.append(table("labelled", {**columns, **_sums(found, sums)}))

    def _pairs(
        self,
        name: str,
        predicted: int,
        rows: Arrays,
        said: Mapping[Side, Said],
        sign: Ints,
        more: Mapping[str, NDArray[Any]] | None = None,
    ) -> pa.Table:
        """Cells of the pairs among some rows in which both models said something."""
        chosen = np.flatnonzero(both_said(rows, said))
        if not len(chosen):
            return empty(name, ["n", *PAIR_SUMS[self.kind]])
        ours, theirs = (said[side].at(chosen) for side in SIDES)
        bucket, sign = rows["bucket"][chosen], sign[chosen]
        sums = losses(self.kind, ours.error, theirs.error)
        sums = {what: sums[what] for what in PAIR_SUMS[self.kind]}
        keys = {
            "bucket": bucket // (BUCKETS // PAIR_BUCKETS),
            "champion_bin": ours.grid(),
            "challenger_bin": theirs.grid(),
            "champion_called": ours.called,
            "challenger_called": theirs.called,
            "label": ours.code,
            "column": np.zeros(len(chosen), dtype=np.int64),
            "value": stratum(self.shape, rows)[chosen],
            **{key: values[chosen] for key, values in (more or {}).items()},
        }
        found: dict[str, Any] = {**cells(keys, sums, sign)}
        by = self.shape.rollout.labels.stratum
        found["column"] = repeat(by, len(found["n"]))
        found["value"] = words(self.shape, by, found["value"])
        for key in ("champion_called", "challenger_called", "label"):
            found[key] = self._word(found[key])
        columns = {key: found[key] for key in (*keys, "n", *sums)}
        return table(name, {**self._days(predicted, len(found["n"])), **columns})

    def _days(self, predicted: int, rows: int) -> dict[str, Any]:
        return {"prediction_day": np.full(rows, predicted), "label_day": np.full(rows, self.day)}

    def _word(self, codes: Ints) -> pa.Array:
        return self.words.take(pa.array(np.where(codes < 0, len(self.words) - 1, codes)))

    def tables(self) -> Tables:
        """The fragment."""
        return {
            "labelled": pa.concat_tables(self.sides).combine_chunks(),
            "labelled_pairs": pa.concat_tables(self.pairs).combine_chunks(),
            "predicted_pairs": pa.concat_tables(self.made).combine_chunks(),
            "explored_pairs": pa.concat_tables(self.explored).combine_chunks(),
            "label_faults": self._reasons("label_faults", self.faults),
            "label_basis": self._reasons("label_basis", self.basis),
        }

    def _reasons(self, name: str, counts: Mapping[str, int]) -> pa.Table:
        found = sorted((reason, n) for reason, n in counts.items() if n)
        columns = {
            "label_day": np.full(len(found), self.day),
            "reason": pa.array([reason for reason, _ in found], pa.string()),
            "n": pa.array([n for _, n in found], pa.int64()),
        }
        return table(name, columns)


def _sums(found: Mapping[str, Ints], sums: Mapping[str, Any]) -> dict[str, Ints]:
    return {name: found[name] for name in ("n", *sums)}
