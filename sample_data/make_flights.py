"""Make the flight logs: train on January to April 2013, serve May to December.

    pip install -r sample_data/requirements.txt
    python sample_data/make_flights.py

Everything but `latency_ms`, which is measured, comes out the same every time.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from flights_source import known, logs, models
from flights_source.history import load
from flights_source.serving import serve
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score
from threadpoolctl import threadpool_limits

SERVED_FROM = pd.Timestamp("2013-05-01", tz="UTC")
SERVED_TO = pd.Timestamp("2014-01-01", tz="UTC")
TUNED_FROM = pd.Timestamp("2013-04-01", tz="UTC")
HERE = Path(__file__).parent


def main() -> None:
    """Train, serve, write, and print the quality of both models."""
    champion_rows, challenger_rows = known_rows(load())
    served = champion_rows.ts.between(SERVED_FROM, SERVED_TO, inclusive="left")
    out = HERE / "flights"
    quality = {}
    for side, rows, kind, features in (
        ("champion", champion_rows, models.Champion, (*models.CHAMPION_NUMERIC, "weekday")),
        ("challenger", challenger_rows, models.Challenger, models.CHALLENGER_NUMERIC),
    ):
        model = train(kind, rows)
        today = rows[served].reset_index(drop=True)
        # One thread a call, as a server with many workers would run it.
        with threadpool_limits(1):
            answers = serve(model, model.encode(today))
        table = logs.model_log(today, answers, model.threshold, features)
        logs.write_months(table, "ts", out / side)
        quality[side] = measure(today, answers.score, model.threshold)
    logs.write_months(logs.label_log(champion_rows[served]), "label_ts", out / "labels")
    text = json.dumps(quality, indent=2) + "\n"
    (out / "quality.json").write_text(text, encoding="utf-8")
    print(text, end="")


def known_rows(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what each model's pipeline knew of each flight.

    The pipelines differ as two teams' pipelines do: the champion's takes the weather of exactly
    the last whole hour or nothing, the challenger's takes the latest it has.
    """
    keep = ["request_id", "ts", "tailnum", "origin", "carrier", "dest", "label", "landed"]
    base = pd.concat([table[keep], known.schedule(table)], axis=1)
    exact, latest = (
        weather(table)[["feature_ts", *known.WEATHER]]
        for weather in (known.exact_weather, known.latest_weather)
    )
    more = [known.recent_departures(table), known.aircraft(table)]
    return pd.concat([base, exact], axis=1), pd.concat([base, latest, *more], axis=1)


def train(kind: type[models.Champion | models.Challenger], rows: pd.DataFrame) -> models.Model:
    """Fit on all labels known before serving starts; tune the threshold on the last month."""
    early = rows[rows.landed < TUNED_FROM]
    last = rows[rows.ts.ge(TUNED_FROM) & (rows.landed < SERVED_FROM)]
    rehearsal = kind.train(early, _labels(early))
    threshold = models.matching_threshold(_labels(last), rehearsal.score(rehearsal.encode(last)))
    everything = rows[rows.landed < SERVED_FROM]
    model = kind.train(everything, _labels(everything))
    model.threshold = threshold
    return model


def _labels(rows: pd.DataFrame) -> np.ndarray:
    return rows.label.to_numpy(dtype="int8")


def measure(rows: pd.DataFrame, score: np.ndarray, threshold: float) -> dict[str, float]:
    """Return how good the scores were, on the flights that landed."""
    landed = rows.label.notna().to_numpy()
    label, score = _labels(rows[landed]), score[landed]
    predicted = score >= threshold
    return {
        "threshold": threshold,
        "labelled": int(landed.sum()),
        "late_share": round(float(label.mean()), 4),
        "mean_score": round(float(score.mean()), 4),
        "auc": round(float(roc_auc_score(label, score)), 4),
        "average_precision": round(float(average_precision_score(label, score)), 4),
        "brier": round(float(brier_score_loss(label, score)), 4),
        "precision": round(float(label[predicted].mean()), 4),
        "recall": round(float(predicted[label == 1].mean()), 4),
    }


if __name__ == "__main__":
    main()
