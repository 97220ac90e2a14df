"""What each model called: its logged decision where that can be told, else the threshold.

Rows that the champion let through at random are told here, too: they count as called positive,
as the model would have stopped them.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from analyzer.config import Rollout
from analyzer.frozen import Frozen
from analyzer.labels.events import MISSING, YES, spelled_answer
from analyzer.logs import Side, has_column
from analyzer.scan.narrow import OK, UNKNOWN, Shape
from analyzer.scan.rows import Rows
from analyzer.scan.slot import Slot

BY_DECISION = 2
"""Added to a call that the log's `decision` told: 2 is no, 3 is yes."""

CHANCES = 10_000
"""Chances of being let through are kept in such parts: exact for four decimals."""


def told_by_decision(rollout: Rollout, frozen: Frozen) -> bool:
    """Whether logged decisions say yes or no: as declared, or all of them are 1, true and such."""
    if rollout.label_kind != "binary" or not frozen.decisions:
        return False
    if rollout.labels.positive_decision is not None:
        return True
    return all(spelled_answer(word, None) != MISSING for word in frozen.decisions)


def shape_with_calls(shape: Shape) -> Shape:
    """The shape of a label join: decisions become yes (0 ..), anything else or NULL."""
    rollout = shape.rollout
    own = tuple(x for x in (rollout.labels.explore, rollout.labels.explore_probability) if x)
    shape = replace(shape, parity=own, logged={})
    if not told_by_decision(rollout, shape.frozen):
        return replace(shape, decided_by="")
    yes = rollout.labels.positive_decision
    words = {w for y in YES for w in (y, y.capitalize(), y.upper())} if yes is None else {str(yes)}
    frozen = msgspec.structs.replace(shape.frozen, decisions=sorted(words))
    return replace(shape, decided_by="decision", frozen=frozen)


def columns_of(rollout: Rollout) -> list[str]:
    """Columns of a log that calls and exploration need."""
    labels = rollout.labels
    own = [x for x in (labels.explore, labels.explore_probability) if x]
    return [*(["decision"] if rollout.label_kind == "binary" else []), *own]


def calls(slot: Slot, side: Side, rows: Rows) -> NDArray[np.int8]:
    """0 no, 1 yes by the threshold; 2 no, 3 yes by the logged decision; -1 unknown.

    A side whose files of the slot carry no decision follows the threshold.
    """
    shape = slot.shape
    logged = has_column(list(slot.files[side]), shape.rollout, side, "decision")
    if shape.decided_by == "decision" and logged:
        code = rows["decision"]
        yes = code < len(shape.frozen.decisions)
        found = np.where(code == UNKNOWN, UNKNOWN, BY_DECISION + yes)
    else:
        found = np.where(rows["state"] == OK, rows["score"] >= shape.rollout.threshold, UNKNOWN)
    called = found.astype(np.int8)
    if side == "champion" and shape.rollout.labels.explore:
        explored = chances(slot, rows) > 0
        called[explored] = np.where(called[explored] >= BY_DECISION, BY_DECISION + 1, 1)
    return called


def chances(slot: Slot, rows: Rows) -> NDArray[np.int16]:
    """Chance, in 1 / 10,000, with which a stopped row was let through; 0 of rows that were not.

    A row marked as explored without a usable chance counts as not explored.
    """
    labels = slot.shape.rollout.labels
    marked = np.asarray(rows.parity["p0"].to_numpy()) == 1
    if labels.explore_share is not None:
        chance = np.full(len(marked), labels.explore_share)
    else:
        chance = np.asarray(rows.parity["p1"].to_numpy(), dtype=np.float64)
    usable = marked & (chance > 0) & (chance <= 1)
    parts = np.maximum(np.rint(np.where(usable, chance, 0.0) * CHANCES), usable)
    found: NDArray[np.int16] = parts.astype(np.int16)
    return found
