"""Whether some rows are labelled less often than others."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .influence import DIFFERENCE, Linearised, over_buckets
from .result import Result, Undefined

FEWEST = 30.0
"""Labels expected of a group below which nothing is said: none by chance is then below 1e-13."""


def share_beyond(
    own: ArrayLike, rest: ArrayLike, factor: float, confidence: float = 0.95
) -> Result:
    """Labelled share of a group minus `factor` times that of the other rows.

    Below 0: fewer than `factor` times as many of the group's rows have labels. `own` and `rest`
    have shape (buckets of units, 2): labelled rows, and all. Linear in both shares, so a group
    without any label has an interval too. Linearised jackknife over the buckets, t interval.
    Undefined without rows, or where fewer than 30 labels were to be expected of the group.
    Kish (1965), *Survey Sampling*, 6; Efron and Tibshirani (1993), 11.

    >>> found = share_beyond([[10, 50], [12, 50]], [[80, 100], [78, 100]], 0.5)
    >>> round(found.value, 3), round(found.low, 3), round(found.high, 3)
    (-0.175, -0.493, 0.143)
    """
    cells = np.stack([np.asarray(own, np.float64), np.asarray(rest, np.float64)], axis=1)

    def beyond(sums: np.ndarray) -> Linearised | Undefined:
        (own_told, own_n), (told, n) = sums
        if n <= 0 or own_n * told < FEWEST * n:
            return Undefined("too few rows to expect labels of", float(own_n))
        share, other = own_told / own_n, told / n
        gradient = [[1 / own_n, -share / own_n], [-factor / n, factor * other / n]]
        return Linearised(float(share - factor * other), np.array(gradient))

    return over_buckets(cells, beyond, confidence, DIFFERENCE)
