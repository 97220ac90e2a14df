"""Does one arm have more events than the other, beyond a margin? Many segments, read at any time.

Events are counted in two arms of unequal size, stratum by stratum (hours), so that a busy hour or
a change of the traffic's split is no effect. A rare event's count is no normal variable: what is
used is the law of the smaller arm's events among all of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import betainc, betaln

from .result import Result, Undefined, estimate

Floats = NDArray[np.float64]
_LARGEST_MARGIN = 1.0


@dataclass(frozen=True, eq=False)
class Excess:
    """Sums over strata of two arms' events, for any number of segments (shape of every field).

    events: of the treated arm; expected, slope: events + margin * slope are expected in it if its
    rate is the control's plus the margin; total, exposure: events of both arms, and rows of the
    control, in strata with rows of both; n: rows of the treated arm there.
    """

    events: Floats
    expected: Floats
    slope: Floats
    total: Floats
    exposure: Floats
    n: Floats

    @property
    def value(self) -> Floats:
        """Difference of the rates, weighted as Mantel and Haenszel; NaN without common strata."""
        found: Floats = np.full_like(self.slope, np.nan)
        np.divide(self.events - self.expected, self.slope, out=found, where=self.slope > 0)
        return found

    def at(self, place: int | tuple[int, ...]) -> Excess:
        """One segment; of a running sum, at one of its readings."""
        names = ("events", "expected", "slope", "total", "exposure", "n")
        return Excess(*(np.asarray(getattr(self, name)[place]) for name in names))


def excess(
    events: ArrayLike,
    n: ArrayLike,
    control_events: ArrayLike,
    control: ArrayLike,
    running: bool = False,
) -> Excess:
    """Sums of two arms from counts by stratum (last axis). Strata with rows of one arm only say
    nothing. running: the sums up to each stratum, as one reading after the other saw them. With
    w = n_1 n_0 / (n_1 + n_0): slope = sum w, expected = sum (k_1 + k_0) n_1 / (n_1 + n_0).
    Mantel and Haenszel (1959), J. Natl. Cancer Inst. 22.

    >>> both = excess([30.0], [100.0], [90.0], [900.0])
    >>> float(both.value.round(3)), float(both.expected)
    (0.2, 12.0)
    """
    k, rows, k0, rows0 = (
        np.asarray(x, dtype=np.float64) for x in (events, n, control_events, control)
    )
    held = (rows > 0) & (rows0 > 0)
    share = np.divide(rows, rows + rows0, out=np.zeros_like(rows + rows0), where=held)
    both = np.where(held, k + k0, 0.0)
    add = np.cumsum if running else np.sum
    return Excess(
        *(
            np.asarray(add(np.where(held, x, 0.0), axis=-1), dtype=np.float64)
            for x in (k, both * share, rows0 * share, both, rows0, rows)
        )
    )


HARM = 3.0
"""How many times as many events as expected at the margin a harm of interest brings."""


def excess_evidence(sums: Excess, margin: float, deff: ArrayLike = 1.0) -> Floats:
    """ln of the e-value of each segment against "the treated rate is the control's plus the margin
    or less", one-sided; it may be read at any time.

    Every row of the control counts `margin` events more; then the treated arm's share theta of all
    events is its share of the rows. Beta mixture over larger shares (so it is a supermartingale
    under smaller ones too), its prior of mean HARM theta and worth 1 / HARM expected events, on
    counts divided by deff; 0 where no more events came than expected and where there is no common
    stratum. 1 / e is a p-value: the chance that it ever falls below p is p at most, however often
    it is read. Howard, Ramdas, McAuliffe, Sekhon (2021), Annals of Statistics 49; Ville (1939).

    >>> both = excess([[43.0]], [[8640.0]], [[428.0]], [[855360.0]])
    >>> float(excess_evidence(both, 0.001)[0]) > 16
    True
    """
    by = np.maximum(np.asarray(deff, dtype=np.float64), 1.0)
    expected, total = sums.expected + margin * sums.slope, sums.total + margin * sums.exposure
    theta = np.divide(expected, total, out=np.full_like(total, 0.5), where=total > 0)
    theta = np.clip(theta, 1e-12, 1 - 1e-12)
    k, whole = sums.events / by, np.maximum(total, sums.events) / by
    a, b = np.ones_like(theta), (1 - theta) / (HARM * theta)
    found = betaln(a + k, b + whole - k) - betaln(a, b)
    found -= k * np.log(theta) + (whole - k) * np.log1p(-theta)
    with np.errstate(divide="ignore"):  # far below the share expected nothing of the law is left
        found += np.log1p(-betainc(a + k, b + whole - k, theta))
    found -= np.log1p(-betainc(a, b, theta))
    more = (sums.events > expected) & (sums.slope > 0)
    return np.asarray(np.where(more, np.maximum(found, 0.0), 0.0), dtype=np.float64)


def excess_rate(sums: Excess, alpha: float, deff: float = 1.0) -> Result:
    """Difference of the rates with an always-valid lower end at level alpha, for one segment.

    The lower end is the largest margin that `excess_evidence` refutes at alpha; -inf where not even
    0 is. The upper end is open. Undefined without a stratum that has rows of both arms.

    >>> r = excess_rate(excess([43.0], [8640.0], [428.0], [855360.0]), 0.001)
    >>> round(r.value, 5), round(r.low, 5)
    (0.00448, 0.00194)
    """
    value = float(sums.value)
    n = float(sums.n)
    if not math.isfinite(value):
        return Undefined("no hour has requests of both models", n)
    threshold = -math.log(alpha)

    def beyond(margin: float) -> float:
        return float(excess_evidence(sums, margin, deff)) - threshold

    low = -math.inf
    if beyond(0.0) > 0:
        low = float(brentq(beyond, 0.0, min(max(value, 0.0), _LARGEST_MARGIN), xtol=1e-12))
    method = f"share of events by hour, beta mixture, level {alpha:.2g}"
    return estimate(value, low, math.inf, n / max(deff, 1.0), method)
