"""What a model said of some requests, and how wrong it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzer.histogram import codes_of, raw_bins
from analyzer.labels.calls import BY_DECISION
from analyzer.labels.requests import HAS
from analyzer.labels.sums import quanta
from analyzer.labels.tables import FOURTH_BITS
from analyzer.logs import Side
from analyzer.scan.narrow import Shape

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Arrays = dict[str, NDArray[Any]]


class Said:
    """What one model said of some requests, and how wrong it was (in units of the scale)."""

    def __init__(
        self, shape: Shape, rows: Mapping[str, NDArray[Any]], side: Side, label: NDArray[Any]
    ) -> None:
        self.shape, self.kind = shape, shape.rollout.label_kind
        self.said, self.label = rows[side], label
        self.logged: NDArray[Any] = rows.get(f"{side}_called", np.zeros(0))

    def at(self, rows: Ints) -> Said:
        """The same of some of the rows."""
        found = object.__new__(Said)
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
                "score": quanta(self.said),
                "score_squares": quanta(self.said * self.said),
            }
        e = self.error
        squares = e * e
        return {
            "error": quanta(e),
            "error_absolute": quanta(np.abs(e)),
            "error_squares": quanta(squares),
            "error_fourths": quanta(squares * squares, FOURTH_BITS),
            "error_squares_above": quanta(np.where(e > 0, squares, 0.0)),
        }


def both_said(rows: Arrays, said: Mapping[Side, Said]) -> NDArray[np.bool_]:
    """Rows to which both models said something that can be used."""
    both = said["champion"].usable & said["challenger"].usable
    both &= rows["has"] == HAS["champion"] | HAS["challenger"]
    return both
