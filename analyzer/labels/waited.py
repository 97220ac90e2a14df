"""The simple baseline: waiting until labels are 0.9 complete."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analyzer.labels.comparison import Question, Waited
from analyzer.labels.completeness import Completeness
from analyzer.labels.evidence import Evidence
from analyzer.labels.one_metric import compared, fine_bins, of_rows
from analyzer.labels.parts import Rows, mature
from analyzer.stats.maturity import READY
from analyzer.stats.result import Estimate

Ints = NDArray[np.int64]


def waited(known: Evidence, rows: Rows, asked: Ints, question: Question) -> Waited:
    """What waiting until labels are 0.9 complete says, and when it will say it of every day."""
    days = mature(asked, rows.ladders, READY)
    ready = _ready(rows.ladders, asked)
    if not len(days) or rows.blind(question) or rows.lone(question):
        return Waited(0, ready, ())
    parts = rows.parts(days, slowed=0)
    fine = fine_bins(known, rows, {}, days)
    said = [compared(parts, [], m, question, fine) for m in question.metrics]
    if not known.units:
        both = zip(said, question.metrics, strict=True)
        said = [of_rows(one, parts, metric, question, fine) for one, metric in both]
    return Waited(len(days), ready, tuple(said))


def _ready(ladders: dict[int, Completeness], asked: Ints) -> int | None:
    """First as-of day at which every asked day is 0.9 complete: the newest of each ladder."""
    each = [own for found in ladders.values() for own in found.each]
    newest = [(own, of.max()) for own in each for _, of in own.groups(asked) if len(of)]
    dates = [x.ready(int(day)) for x, day in newest]
    known = [date.value for date in dates if isinstance(date, Estimate)]
    return int(max(known)) if known and len(known) == len(dates) else None
