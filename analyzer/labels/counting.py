"""The changes of a label day as tables: -1 where a label leaves a cell, +1 where it enters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analyzer.histogram import codes_of, raw_bins
from analyzer.ids import BUCKETS
from analyzer.labels.calls import BY_DECISION
from analyzer.labels.join import CONFLICT, CONFLICTING, LABELLED, Changes
from analyzer.labels.requests import HAS
from analyzer.labels.tables import BITS, FOURTH_BITS, PAIR_BUCKETS, words_of
from analyzer.logs import SIDES, Side
from analyzer.profile import Tables, empty, repeat, table
from analyzer.scan.narrow import Shape
from analyzer.scan.tallies import exact_sums, segment_label

SEGMENT_BINS = 16
"""Fine bins of the score that are one bin in a segment."""

DENSE = 1 << 18
"""Possible cells up to which counting each is cheaper than finding out which there are."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Arrays = dict[str, NDArray[Any]]

SIDE_SUMS = {
    "binary": ("score", "score_squares"),
    "classes": (),
    "values": (
        "error",
        "error_absolute",
        "error_squares",
        "error_fourths",
        "error_squares_above",
    ),
}
PAIR_SUMS = {
    "binary": (
        "champion_squares",
        "challenger_squares",
        "difference_squares",
        "champion_absolute",
        "challenger_absolute",
    ),
    "classes": (),
    "values": (
        "champion_squares",
        "challenger_squares",
        "difference_squares",
        "champion_absolute",
        "challenger_absolute",
        "absolute_difference_squares",
    ),
}


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
        said = {side: _Said(self.shape, rows, side, label) for side in SIDES}
        for side in SIDES:
            asked = (rows["has"] & HAS[side]) > 0
            lost = asked & ~said[side].usable
            self.fault(f"no usable prediction of the {side}", int(sign[lost].sum()))
            chosen = np.flatnonzero(asked & said[side].usable)
            self._add_side(predicted, side, said[side].at(chosen), rows, sign, chosen)
            self._add_basis(side, said[side].at(chosen), sign[chosen])
            alone = np.flatnonzero(asked & said[side].usable & ~_both(rows, said))
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
        said = {side: _Said(self.shape, rows, side, label) for side in SIDES}
        sign = np.ones(len(label), dtype=np.int64)
        if self.shape.rollout.labels.arrival == "positives":
            both = np.flatnonzero(_both(rows, said))
            for side in SIDES:
                self._add_margin(predicted, f"{side} made", said[side].at(both), sign[both])
        self.made.append(self._pairs("predicted_pairs", predicted, rows, said, sign))

    def _add_side(
        self, predicted: int, side: Side, said: _Said, rows: Arrays, sign: Ints, chosen: Ints
    ) -> None:
        if not len(chosen):
            return
        sums = said.sums()
        bins = said.bins()
        keys = {"called": said.called, "label": said.code}
        self._side_cells(predicted, side, "", {"bin": bins, **keys}, sums, sign[chosen])
        for place, segment in enumerate(self.shape.segments):
            value = rows[f"s{place}"][chosen]
            wide = {"value": value, "bin": bins // SEGMENT_BINS, **keys}
            self._side_cells(predicted, side, segment, wide, sums, sign[chosen])

    def _add_basis(self, side: Side, said: _Said, sign: Ints) -> None:
        """Count by what it was told what the model called."""
        if self.kind != "binary":
            return
        how = {
            "the logged decision": said.logged >= BY_DECISION,
            "the score's threshold": (said.logged >= 0) & (said.logged < BY_DECISION),
            "unknown: no decision was logged": said.logged < 0,
        }
        for words, rows in how.items():
            what = f"{side}: {words}"
            self.basis[what] = self.basis.get(what, 0) + int(sign[rows].sum())

    def _add_margin(self, predicted: int, model: str, said: _Said, sign: Ints) -> None:
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
        if segment:
            value = segment_label(self.shape, self.shape.segments.index(segment), found["value"])
        else:
            value = repeat("", rows)
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
        said: Mapping[Side, _Said],
        sign: Ints,
        more: Mapping[str, NDArray[Any]] | None = None,
    ) -> pa.Table:
        """Cells of the pairs among some rows in which both models said something."""
        chosen = np.flatnonzero(_both(rows, said))
        if not len(chosen):
            return empty(name, ["n", *PAIR_SUMS[self.kind]])
        ours, theirs = (said[side].at(chosen) for side in SIDES)
        bucket, sign = rows["bucket"][chosen], sign[chosen]
        sums = _losses(self.kind, ours.error, theirs.error)
        sums = {what: sums[what] for what in PAIR_SUMS[self.kind]}
        keys = {
            "bucket": bucket // (BUCKETS // PAIR_BUCKETS),
            "champion_bin": ours.grid(),
            "challenger_bin": theirs.grid(),
            "champion_called": ours.called,
            "challenger_called": theirs.called,
            "label": ours.code,
            **{key: values[chosen] for key, values in (more or {}).items()},
        }
        found = cells(keys, sums, sign)
        columns = {**self._days(predicted, len(found["n"]))}
        for key in keys:
            worded = key == "label" or key.endswith("called")
            columns[key] = self._word(found[key]) if worded else found[key]
        return table(name, {**columns, **_sums(found, sums)})

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


def _both(rows: Arrays, said: Mapping[Side, _Said]) -> NDArray[np.bool_]:
    """Rows to which both models said something that can be used."""
    both = said["champion"].usable & said["challenger"].usable
    both &= rows["has"] == HAS["champion"] | HAS["challenger"]
    return both


class _Said:
    """What one model said of some requests, and how wrong it was (in units of the scale)."""

    def __init__(
        self, shape: Shape, rows: Mapping[str, NDArray[Any]], side: Side, label: NDArray[Any]
    ) -> None:
        self.shape, self.kind = shape, shape.rollout.label_kind
        self.said, self.label = rows[side], label
        self.logged: NDArray[Any] = rows.get(f"{side}_called", np.zeros(0))

    def at(self, rows: Ints) -> _Said:
        """The same of some of the rows."""
        found = object.__new__(_Said)
        found.shape, found.kind = self.shape, self.kind
        found.said, found.label = self.said[rows], self.label[rows]
        found.logged = self.logged[rows] if len(self.logged) else self.logged
        return found

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Whether the model said anything that can be compared with a label."""
        return self.said >= 0 if self.kind == "classes" else np.isfinite(self.said)

    @property
    def code(self) -> Ints:
        """Code of the label, -1 where labels are values."""
        if self.kind == "values":
            return np.full(len(self.label), -1, dtype=np.int64)
        return self.label.astype(np.int64)

    @property
    def called(self) -> Ints:
        """What the model called: its decision (`calls`), or the predicted class."""
        if self.kind == "classes":
            return self.said.astype(np.int64)
        if self.kind == "values":
            return np.full(len(self.said), -1, dtype=np.int64)
        logged = self.logged.astype(np.int64)
        return np.where(logged < 0, -1, logged % BY_DECISION)

    @property
    def error(self) -> Floats:
        """Label minus score, in units of the frozen scale."""
        error: Floats = (self.label - self.said) / self.shape.frozen.scale
        return error

    def bins(self) -> Ints:
        """Fine bins of probabilities, which grow with them; 0 of anything else."""
        if self.kind != "binary":
            return np.zeros(len(self.said), dtype=np.int64)
        out = np.empty(len(self.said), dtype=np.int64)
        none = np.zeros(0, dtype=np.int64)
        return codes_of(raw_bins(self.said, none, "probability", 0.0, out), "probability")

    def grid(self) -> Ints:
        """Every other of the frozen reference cells, at most 32, the same for both models."""
        if self.kind != "binary":
            return np.zeros(len(self.said), dtype=np.int64)
        starts = np.asarray(self.shape.frozen.bins["score"].starts[::2])
        return np.maximum(np.searchsorted(starts, self.bins(), side="right") - 1, 0)

    def sums(self) -> dict[str, Floats]:
        """Summands of `SIDE_SUMS` as whole numbers."""
        if self.kind == "classes":
            return {}
        if self.kind == "binary":
            return {
                "score": _quanta(self.said),
                "score_squares": _quanta(self.said * self.said),
            }
        e = self.error
        squares = e * e
        return {
            "error": _quanta(e),
            "error_absolute": _quanta(np.abs(e)),
            "error_squares": _quanta(squares),
            "error_fourths": _quanta(squares * squares, FOURTH_BITS),
            "error_squares_above": _quanta(np.where(e > 0, squares, 0.0)),
        }


def _quanta(values: Floats, bits: int = BITS) -> Floats:
    return np.rint(values * 2.0**bits)


def _losses(kind: str, ours: Floats, theirs: Floats) -> dict[str, Floats]:
    """Summands of `PAIR_SUMS` as whole numbers."""
    if kind == "classes":
        return {}
    one, two = ours * ours, theirs * theirs
    absolute, other = np.abs(ours), np.abs(theirs)
    return {
        "champion_squares": _quanta(one),
        "challenger_squares": _quanta(two),
        "difference_squares": _quanta((two - one) ** 2, FOURTH_BITS),
        "champion_absolute": _quanta(absolute),
        "challenger_absolute": _quanta(other),
        "absolute_difference_squares": _quanta((other - absolute) ** 2),
    }


def cells(
    keys: Mapping[str, NDArray[Any]], sums: Mapping[str, Floats], sign: Ints
) -> dict[str, Ints]:
    """Rows with equal keys added up: the keys, `n` and the sums; cells of nothing left out.

    keys: whole numbers; sums: whole numbers as float64, added exactly; sign: +1 or -1 a row.
    """
    code = np.zeros(len(sign), dtype=np.int64)
    spans, width = [], 1
    for values in keys.values():
        low, high = int(values.min()), int(values.max())
        spans.append((low, high - low + 1))
        width *= high - low + 1
        code *= high - low + 1
        code += values.astype(np.int64) - low
    if width <= max(DENSE, 4 * len(code)):
        present, place = np.arange(width), code
    else:
        present, place = np.unique(code, return_inverse=True)
    found = {"n": np.bincount(place, weights=sign, minlength=len(present)).astype(np.int64)}
    for name, weights in sums.items():
        found[name] = exact_sums(place, len(present), weights * sign)
    kept = np.logical_or.reduce([values != 0 for values in found.values()])
    found = {name: values[kept] for name, values in found.items()}
    code = present[kept]
    for name, (low, span) in reversed(list(zip(keys, spans, strict=True))):
        found[name] = code % span + low
        code = code // span
    return found


def _sums(found: Mapping[str, Ints], sums: Mapping[str, Any]) -> dict[str, Ints]:
    return {name: found[name] for name in ("n", *sums)}
