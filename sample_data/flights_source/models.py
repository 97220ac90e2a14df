"""The two models: a logistic regression (champion) and gradient boosting (challenger)."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

CHAMPION_NUMERIC = ("sched_hour", "distance", "temp", "wind_speed", "precip", "visib")
CHAMPION_CATEGORIES = ("weekday", "origin", "carrier")
CHALLENGER_NUMERIC = (
    "sched_hour",
    "distance",
    "temp",
    "humid",
    "wind_dir",
    "wind_speed",
    "wind_gust",
    "precip",
    "pressure",
    "visib",
    "recent_departures",
    "recent_dep_delay",
    "plane_year",
    "seats",
)
CHALLENGER_CATEGORIES = ("origin", "carrier", "dest")


class Model(Protocol):
    """What serving needs: turn one request into a vector, and a vector into a score."""

    threshold: float

    def encode(self, rows: pd.DataFrame) -> np.ndarray:
        """Return one vector per row."""

    def score(self, vectors: np.ndarray) -> np.ndarray:
        """Return the probability of arriving late."""


@dataclass
class Champion:
    """Logistic regression on standardised numbers and one-hot categories; nulls become means."""

    levels: dict[str, list[object]]
    mean: np.ndarray
    scale: np.ndarray
    model: LogisticRegression
    threshold: float = 0.5

    @classmethod
    def train(cls, rows: pd.DataFrame, label: np.ndarray) -> "Champion":
        """Fit on the rows given."""
        numbers = rows[list(CHAMPION_NUMERIC)].to_numpy("float64")
        levels = {name: sorted(rows[name].unique()) for name in CHAMPION_CATEGORIES}
        model = LogisticRegression(max_iter=1_000)
        self = cls(levels, np.nanmean(numbers, axis=0), np.nanstd(numbers, axis=0), model)
        model.fit(self.encode(rows), label)
        return self

    def encode(self, rows: pd.DataFrame) -> np.ndarray:
        """Return standardised numbers (0 for null) beside one-hot categories."""
        numbers = (rows[list(CHAMPION_NUMERIC)].to_numpy("float64") - self.mean) / self.scale
        hot = [
            (rows[name].to_numpy()[:, None] == np.array(levels)[None, :]).astype("float64")
            for name, levels in self.levels.items()
        ]
        return np.hstack([np.nan_to_num(numbers, nan=0.0), *hot])

    def score(self, vectors: np.ndarray) -> np.ndarray:
        """Return the probability of arriving late."""
        return self.model.predict_proba(vectors)[:, 1]


@dataclass
class Challenger:
    """Histogram gradient boosting; it takes nulls, and categories it has not seen, as missing.

    A category becomes its share of late flights in training, drawn towards the overall share
    where flights were few: cheaper at every call than scikit-learn's own categorical features.
    """

    late_share: dict[str, dict[str, float]]
    model: HistGradientBoostingClassifier
    threshold: float = 0.5

    @classmethod
    def train(cls, rows: pd.DataFrame, label: np.ndarray) -> "Challenger":
        """Fit on the rows given; few and small trees, for each costs time at every call."""
        shares = {name: _late_share(rows[name], label) for name in CHALLENGER_CATEGORIES}
        model = HistGradientBoostingClassifier(
            max_iter=40,
            learning_rate=0.15,
            max_leaf_nodes=12,
            min_samples_leaf=200,
            random_state=0,
        )
        self = cls(shares, model)
        model.fit(self.encode(rows), label)
        return self

    def encode(self, rows: pd.DataFrame) -> np.ndarray:
        """Return numbers as they are, beside the late shares of the categories."""
        numbers = rows[list(CHALLENGER_NUMERIC)].to_numpy("float64")
        shares = [
            rows[name].map(known).to_numpy("float64") for name, known in self.late_share.items()
        ]
        return np.column_stack([numbers, *shares])

    def score(self, vectors: np.ndarray) -> np.ndarray:
        """Return the probability of arriving late."""
        return self.model.predict_proba(vectors)[:, 1]


def _late_share(values: pd.Series, label: np.ndarray) -> dict[str, float]:
    """Return each value's late share, with 100 flights of the overall share added."""
    flights = pd.Series(label, index=values.index).groupby(values).agg(["sum", "count"])
    share = (flights["sum"] + 100 * label.mean()) / (flights["count"] + 100)
    return {str(value): float(one) for value, one in share.items()}


def matching_threshold(label: np.ndarray, score: np.ndarray) -> float:
    """Return the threshold that calls as many flights late as were late, to two decimals."""
    return round(float(np.quantile(score, 1.0 - label.mean())), 2)
