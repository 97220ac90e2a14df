"""What two models are compared by on the same rows: each a functional of sums over pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from analyzer.labels.cells import PairCells
from analyzer.stats.classification import accuracy_functional, class_functional, macro_functional
from analyzer.stats.influence import (
    DIFFERENCE,
    POSITIVE,
    REAL,
    SHARE,
    Functional,
    Linearised,
    minus,
    ratio,
)
from analyzer.stats.precision_recall import average_precision_functional, average_precision_hidden
from analyzer.stats.ranking import margin, paired, roc_auc_functional, roc_auc_hidden
from analyzer.stats.regression import rmse_functional
from analyzer.stats.result import Undefined

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Better = Literal["lower", "higher"]
BINS = 32


@dataclass(frozen=True)
class PairMetric:
    """One metric of both models.

    `shape` of its cells; `cells` yields (cell of each row of a `PairCells`, what it adds there);
    the functionals turn summed cells into the champion's value, the challenger's and challenger
    minus champion. `support` is where one model's value lies, `spread` where the difference does.
    `of_bins`: the functional of negatives and positives by score bin, for metrics of a grid that
    finer bins know better; `hidden` how far one model's value may lie from the grid's.
    """

    name: str
    better: Better
    shape: tuple[int, ...]
    cells: Callable[[PairCells], Iterator[tuple[Ints, Floats]]]
    champion: Functional
    challenger: Functional
    difference: Functional
    support: tuple[float, float]
    spread: tuple[float, float]
    of_bins: Functional | None = None
    hidden: Callable[[Floats, Floats], float] | None = None


def _precision_hidden(positives: Floats, negatives: Floats) -> float:
    low, high = average_precision_hidden(positives, negatives)
    return high - low


def _sums(pairs: PairCells, what: str) -> Iterator[tuple[Ints, Floats]]:
    """Cells (champion's loss, challenger's loss, rows)."""
    place = np.zeros(len(pairs.n), np.int64)
    yield place, pairs.sums[f"champion_{what}"]
    yield place + 1, pairs.sums[f"challenger_{what}"]
    yield place + 2, pairs.n.astype(np.float64)


def _mean_loss(name: str, what: str, of: Functional = ratio) -> PairMetric:
    def side(place: int) -> Functional:
        def of_side(cells: Floats) -> Linearised | Undefined:
            found = of(cells[[place, 2]])
            if isinstance(found, Undefined):
                return found
            gradient = np.zeros(3)
            gradient[[place, 2]] = found.gradient
            return Linearised(found.value, gradient)

        return of_side

    champion, challenger = side(0), side(1)
    return PairMetric(
        name,
        "lower",
        (3,),
        partial(_sums, what=what),
        champion,
        challenger,
        minus(challenger, champion),
        POSITIVE,
        REAL,
    )


def _grid(pairs: PairCells) -> Iterator[tuple[Ints, Floats]]:
    """Cells (label, champion's bin, challenger's bin)."""
    label = pairs.label.astype(np.int64)
    yield (
        (label * BINS + pairs.champion_bin) * BINS + pairs.challenger_bin,
        pairs.n.astype(np.float64),
    )


def _calls(pairs: PairCells, classes: int) -> Iterator[tuple[Ints, Floats]]:
    """Cells (label, champion's class, challenger's class); unknown calls add nothing."""
    label = pairs.label.astype(np.int64)
    cell = (label * classes + pairs.champion_called) * classes + pairs.challenger_called
    known = (pairs.champion_called >= 0) & (pairs.challenger_called >= 0)
    yield np.where(known, cell, 0), np.where(known, pairs.n, 0).astype(np.float64)


def _share(
    name: str,
    shape: tuple[int, ...],
    cells: Callable[[PairCells], Iterator[tuple[Ints, Floats]]],
    functional: Functional,
    hidden: Callable[[Floats, Floats], float] | None = None,
) -> PairMetric:
    champion, challenger = margin(functional, 1), margin(functional, 2)
    return PairMetric(
        name,
        "higher",
        shape,
        cells,
        champion,
        challenger,
        paired(functional),
        SHARE,
        DIFFERENCE,
        functional if hidden else None,
        hidden,
    )


def _ranking(
    name: str, functional: Functional, hidden: Callable[[Floats, Floats], float]
) -> PairMetric:
    return _share(name, (2, BINS, BINS), _grid, functional, hidden)


def _of_classes(classes: int, names: dict[str, Functional]) -> tuple[PairMetric, ...]:
    cells = partial(_calls, classes=classes)
    return tuple(_share(name, (classes,) * 3, cells, f) for name, f in names.items())


PROBABILITY = (
    _mean_loss("brier", "squares"),
    _ranking("roc_auc", roc_auc_functional, roc_auc_hidden),
    _ranking("average_precision", average_precision_functional, _precision_hidden),
    *_of_classes(
        2,
        {
            "accuracy": accuracy_functional,
            "precision": partial(class_functional, score="precision"),
            "recall": partial(class_functional, score="recall"),
            "f1": partial(class_functional, score="f1"),
        },
    ),
)
"""Of a probability. The first decides: a proper score sees over- and under-prediction, which
ranking is blind to and a single threshold may miss. Gneiting and Raftery (2007), JASA 102."""

VALUE = (_mean_loss("mae", "absolute"), _mean_loss("rmse", "squares", rmse_functional))
"""Of a value."""


def of_classes(classes: int) -> tuple[PairMetric, ...]:
    """Of class labels, `classes` of them."""
    return _of_classes(
        classes,
        {"accuracy": accuracy_functional, "macro_f1": partial(macro_functional, score="f1")},
    )
