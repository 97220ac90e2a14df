"""Serve requests one by one, and measure what each call really took."""

import time
from dataclasses import dataclass

import numpy as np

from .models import Model

WARM_UP = 200


@dataclass(frozen=True)
class Served:
    """What a serving system would log of the calls."""

    score: np.ndarray
    latency_ms: np.ndarray
    error: np.ndarray


def serve(model: Model, vectors: np.ndarray) -> Served:
    """Call the model once per request; a call that raises is an error with no score."""
    for vector in vectors[:WARM_UP]:
        model.score(vector[None, :])
    score = np.full(len(vectors), np.nan)
    nanoseconds = np.zeros(len(vectors), dtype=np.int64)
    error = np.zeros(len(vectors), dtype=bool)
    for row, vector in enumerate(vectors):
        began = time.perf_counter_ns()
        try:
            score[row] = model.score(vector[None, :])[0]
        except ValueError:
            # What scikit-learn raises for input it refuses.
            error[row] = True
        nanoseconds[row] = time.perf_counter_ns() - began
    return Served(score, nanoseconds / 1e6, error)
