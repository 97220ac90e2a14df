"""Mix or behaviour: the shift of the score and of the difference, split over every dimension."""

from __future__ import annotations

from analyzer.diagnose.drill import Drilled
from analyzer.drilldown.margins import SUMS
from analyzer.drilldown.pairs import SCORE_BITS
from analyzer.mix import Mix, mix_of

MEASURES = {"score": "score of the challenger", "difference": "difference of scores"}


def mixes(drilled: Drilled, scale: float) -> dict[str, list[Mix]]:
    """Per measure one decomposition per dimension; none without a baseline or scores."""
    found: dict[str, list[Mix]] = {measure: [] for measure in MEASURES}
    if drilled.baseline is None:
        return found
    unit = scale * 2.0**-SCORE_BITS
    for name, groups in drilled.labels.items():
        before, after = drilled.baseline[name], drilled.incident[name]
        n = SUMS.index("scored")
        held = [at for at in range(len(groups)) if before[at, n] or after[at, n]]
        if not before[:, n].any() or not after[:, n].any():
            continue
        for measure, words in MEASURES.items():
            total = SUMS.index(measure)
            found[measure].append(
                mix_of(
                    name,
                    [groups[at] for at in held],
                    before[held, n],
                    before[held, total] * unit,
                    after[held, n],
                    after[held, total] * unit,
                    measure=words,
                )
            )
    return found
