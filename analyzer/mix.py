"""Mix or behaviour: did other requests come, or were the same ones served differently?

The shift of a mean (score, paired difference, loss) between two windows, split exactly over the
values of a segment column or the cells of a feature. "Mix" is what moved because shares of traffic
changed, "within" what moved although they did not. It describes, it does not say why.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike

from analyzer.stats.mix import Decomposition, decompose
from analyzer.stats.result import Undefined


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
    Formula and treatment of empty groups: `stats.mix.decompose` (Kitagawa 1955). Refused when a
    window is empty. Raises ValueError when the arrays do not fit the groups.
    """
    columns = [np.asarray(x, dtype=np.float64) for x in (n_before, sum_before, n_after, sum_after)]
    if any(x.shape != (len(groups),) for x in columns):
        raise ValueError(f"{column}: one count and one sum per group and window are needed")
    found = decompose(*columns)
    if isinstance(found, Undefined):
        said = f"no decomposition by {column}: {found.reason}"
        return Mix(
            column=column,
            shift=None,
            mix=None,
            within=None,
            parts=[],
            refusal=found.reason,
            sentence=said,
        )
    n0, s0, n1, s1 = columns
    parts = [
        Part(
            group=group,
            share_before=float(found.shares_before[i]),
            share_after=float(found.shares_after[i]),
            mean_before=float(s0[i] / n0[i]) if n0[i] else None,
            mean_after=float(s1[i] / n1[i]) if n1[i] else None,
            mix=float(found.mix[i]),
            within=float(found.within[i]),
        )
        for i, group in enumerate(groups)
    ]
    parts.sort(key=lambda p: (-abs(p.mix + p.within), p.group is None, p.group or ""))
    return Mix(
        column=column,
        shift=found.shift,
        mix=float(found.mix.sum()),
        within=float(found.within.sum()),
        parts=parts,
        refusal="",
        sentence=_said(column, measure, found),
    )


def _said(column: str, measure: str, found: Decomposition) -> str:
    mix, within = float(found.mix.sum()), float(found.within.sum())
    return (
        f"mean {measure} moved by {found.shift:+.4g}: {mix:+.4g} because the mix of {column} "
        f"changed, {within:+.4g} within its groups"
    )
