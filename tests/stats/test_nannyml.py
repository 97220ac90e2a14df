"""The values that NannyML publishes for its synthetic sample, from the scores alone.

`data/nannyml_synthetic_sample.csv` counts its 100,000 rows by score (of two decimals): rows and
positives of the reference, rows of the analysis period's first 20,000 and last 30,000.
NannyML 0.13.1, Apache-2.0; expected values from its tests of confidence-based estimation.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analyzer.stats.confidence_based import (
    Expected,
    Metric,
    between,
    expected,
    expected_confusion,
    expected_metric,
    isotonic,
)
from analyzer.stats.result import Estimate

COUNTS = np.genfromtxt(
    Path(__file__).parent / "data" / "nannyml_synthetic_sample.csv", delimiter=",", names=True
)
CHUNKS = ("first_20000", "last_30000")
PUBLISHED: dict[Metric, tuple[float, float]] = {
    "roc_auc": (0.9711057564966745, 0.9636286015592977),
    "f1": (0.9479079222515973, 0.9278089207836576),
    "precision": (0.9436121782324026, 0.9197836255005452),
    "average_precision": (0.9629778663941202, 0.9576117462271682),
    "recall": (0.9522429574319092, 0.9359754933378336),
    "specificity": (0.9434949869571513, 0.9123732942949082),
    "accuracy": (0.9478536003143163, 0.9245926106862006),
}
CONFUSION = (
    ((9468.107941981285, 567.0359356949585), (475.8920580187156, 9488.96406430504)),
    ((13200.5981195499, 1267.8197989638852), (994.4018804500995, 14537.180201036117)),
)


def rows(chunk: str) -> Expected:
    held = COUNTS["reference"] > 0
    fitted = isotonic(COUNTS["reference_positives"][held], COUNTS["reference"][held])
    probability = between(COUNTS["score"], COUNTS["score"][held], fitted)
    n, called = COUNTS[chunk], COUNTS["called"]
    return expected(n * (1 - called), n * called, probability)


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("metric", list(PUBLISHED))
def test_published_metrics(metric: Metric, place: int) -> None:
    found = expected_metric(rows(CHUNKS[place]), metric)
    assert isinstance(found, Estimate)
    # their AUC is 3e-6 from the exact value of the same scores, within their own tolerance
    assert found.value == pytest.approx(PUBLISHED[metric][place], rel=1e-5)
    if metric not in ("roc_auc", "average_precision"):
        assert found.value == pytest.approx(PUBLISHED[metric][place], rel=1e-12)


@pytest.mark.parametrize("place", [0, 1])
def test_published_confusion(place: int) -> None:
    assert COUNTS[CHUNKS[place]].sum() == (20_000, 30_000)[place]
    found = expected_confusion(rows(CHUNKS[place]))
    assert found == pytest.approx(np.array(CONFUSION[place]), rel=1e-12)
