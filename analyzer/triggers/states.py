"""A trigger's course over minutes: breaches counted one after the other until they are enough.

`breach` adds one, `ok` sets the count back to 0. A minute that could not be judged (`low_n`,
`missing`) holds the count for at most two minutes; from the next one on the trigger is undecided
until a minute can be judged again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

OK, BREACH, LOW_N, MISSING = range(4)
NAMES = ("ok", "breach", "low_n", "missing")

Missing = Literal["hold", "reset", "breach"]
States = NDArray[np.int8]


@dataclass(frozen=True)
class Run:
    """Breaches in a row: places of the first, of the one that fired (None: too few), the last."""

    first: int
    fired: int | None
    last: int
    breaches: int


@dataclass(frozen=True, eq=False)
class Course:
    """runs: every run of breaches in order. undecided: (minutes,) where the count was lost.

    count: breaches in a row at the end of the grid.
    """

    runs: list[Run]
    undecided: NDArray[np.bool_]
    count: int

    @property
    def fired(self) -> list[Run]:
        """The runs that were long enough."""
        return [run for run in self.runs if run.fired is not None]


def follow(states: States, needed: int, missing: Missing = "hold", held: int = 2) -> Course:
    """The course of a trigger that fires at the `needed`-th breach in a row.

    states: (minutes,) of OK, BREACH, LOW_N, MISSING on a grid without gaps. missing: what a
    MISSING minute does; `breach` counts it as one, `reset` as an OK; LOW_N always holds. held: for
    how many minutes in a row a count is held.

    >>> nine = [BREACH] * 9
    >>> follow(np.array([*nine, OK, *nine], dtype=np.int8), 10).fired
    []
    >>> follow(np.array([*nine, MISSING, BREACH], dtype=np.int8), 10).fired
    [Run(first=0, fired=10, last=10, breaches=10)]
    >>> follow(np.array([BREACH, LOW_N, LOW_N, LOW_N], dtype=np.int8), 2).undecided.tolist()
    [False, False, False, True]
    """
    runs: list[Run] = []
    undecided = np.zeros(len(states), dtype=bool)
    count = waited = 0
    first = last = 0
    fired: int | None = None

    def close() -> None:
        nonlocal count, fired
        if count:
            runs.append(Run(first, fired, last, count))
        count, fired = 0, None

    for at, state in enumerate(states.tolist()):
        if state == MISSING and missing != "hold":
            state = BREACH if missing == "breach" else OK
        if state == BREACH:
            first = first if count else at
            count, last, waited = count + 1, at, 0
            if count == needed:
                fired = at
        elif state == OK:
            close()
            waited = 0
        else:
            waited += 1
            if waited > held:
                close()
                undecided[at] = True
    at_end = count
    close()
    return Course(runs, undecided, at_end)
