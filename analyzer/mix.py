"""Mix or behaviour: did other requests come, or were the same ones served differently?

The shift of a mean (score, paired difference, loss) between two windows, split exactly over the
values of a segment column or the cells of a feature. "Mix" is what moved because shares of traffic
changed, "within" what moved although they did not. It describes, it does not say why.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from numpy.typing import ArrayLike

from analyzer.stats.mix import Decomposition, decompose


class Part(Struct, frozen=True, kw_only=True):
    """One group's part of the shift. Means are None where the window holds none of it."""

    group: str | None
    share_before: float
    share_after: float
    mean_before: float | None
    mean_after: float | None
    mix: float
    within: float


class Mix(Struct, frozen=True, kw_only=True):
    """The shift of a mean over the groups of one column; parts by size, the largest first.

    shift = mix + within to rounding. refusal: why there is no decomposition, else empty.
    """

    column: str
    shift: float | None
    mix: float | None
    within: float | None
    parts: list[Part]
    refusal: str
    sentence: str


def mix_of(
    column: str,
    groups: Sequence[str | None],
    n_before: ArrayLike,
    sum_before: ArrayLike,
    n_after: ArrayLike,
    sum_after: ArrayLike,
    *,
    measure: str = "score",
) -> Mix:
    """Decompose the shift of a mean over the groups of a column (a segment or binned feature).

    Per group the rows and the sum of the measure in both windows; None is the group of NULLs.
    """
    found = decompose(n_before, sum_before, n_after, sum_after)
    raise NotImplementedError(f"{measure} {isinstance(found, Decomposition)}")
