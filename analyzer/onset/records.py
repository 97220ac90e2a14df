"""What the search for features that drifted first reads and hands back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

Label = Literal["leads", "coincides", "follows", "drifts, score unmoved", "unmoved", "undecided"]
Special = Literal["null", "unseen", "stale", "out of range"]


@dataclass(frozen=True, eq=False)
class FeatureCounts:
    """Hourly counts of one feature: hours x cells.

    cells: a label per column. A numeric feature has its frozen reference cells in ascending order,
    then (any of) "below", "above", "null", "nan", "+inf", "-inf", as in `analyzer.histogram`; a
    categorical one its frozen vocabulary, then "(other)" and "null": `special` is how many of the
    last columns are such. score_mean: mean score of the reference's rows in each cell, NaN where
    there are none; None when it was not measured.
    """

    name: str
    kind: Literal["numeric", "categorical"]
    cells: tuple[str, ...]
    special: int
    counts: Ints
    score_mean: Floats | None = None


@dataclass(frozen=True, eq=False)
class Hours:
    """The grid that all features share. Hour i starts at start + i h, microseconds UTC.

    hour_of_week: 0 to 167 in the declared time zone. clean: hours that may serve as reference or
    null window. onset_low, onset_high: interval of the onset, microseconds UTC; end: where the
    incident ended. score_shift: mean score after the onset minus reference, None when unknown.
    """

    start: int
    hour_of_week: Ints
    clean: Bools
    onset_low: int
    onset_high: int
    end: int
    score_shift: float | None = None


class Finding(Struct, frozen=True, kw_only=True):
    """What quantile cells hide: NULLs, unseen values, a value that stood still, out of range."""

    feature: str
    what: Special
    rows: int
    of: int
    share: float
    share_reference: float
    q: float | None
    first: str | None
    when: Label
    sentence: str


class Precursor(Struct, frozen=True, kw_only=True):
    """One feature: how far it lay from the same hours of earlier clean weeks before the onset.

    psi: raw; debiased: less what chance alone gives; score: the same on a scale that all features
    share; p: rank among past clean windows pooled over
    features, None with fewer than 28; q: p adjusted for the number of features; psi_after: the
    same from the onset on, with its own q_after. first: first drifting hour with its interval.
    carried: share of the score shift that the feature's change of distribution carries by itself;
    None when it was not measured. sparkline: PSI per hour, 48 h before to 48 h after the onset.
    """

    feature: str
    rank: int
    label: Label
    psi: float | None
    debiased: float | None
    score: float | None
    p: float | None
    q: float | None
    psi_after: float | None
    q_after: float | None
    cells: int
    rows: int
    rows_reference: int
    first: str | None
    first_low: str | None
    first_high: str | None
    carried: float | None
    sparkline: list[float | None]
    sentence: str


class Precursors(Struct, frozen=True, kw_only=True):
    """All features, those that drifted first at the top, and the findings that cells hide.

    before, after: windows (UTC text); weeks: earlier clean weeks in the reference; null_windows:
    past windows behind the empirical p; level, least_psi: q up to which, and debiased PSI from
    which, a feature counts as drifting; ranking_only: too few past windows for a p.
    left_after_top_two: share of the score shift that the two strongest features leave; never
    forced to add up.
    """

    before: tuple[str, str]
    after: tuple[str, str]
    weeks: int
    null_windows: int
    level: float
    least_psi: float
    ranking_only: bool
    features: list[Precursor]
    findings: list[Finding]
    left_after_top_two: float | None
    refusal: str
    sentences: list[str]
