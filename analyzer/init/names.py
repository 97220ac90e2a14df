"""What logs call things, and how a name says whose log it is."""

from __future__ import annotations

import re


def words_in(text: str) -> list[str]:
    """The words of a name, lower case."""
    return [word for word in re.split(r"[^a-z0-9]+", text.lower()) if word]


CHAMPION = set(words_in("champion control prod production current baseline incumbent live primary"))
CHALLENGER = set(words_in("challenger shadow candidate treatment canary next new experiment"))
PROXIES = set(words_in("proxy proxies signal signals"))
LABELS = set(words_in("label labels truth outcome outcomes targets feedback"))
WIDE_CHAMPION = CHAMPION | {"old", "a", "v1", "m1", "1"}
WIDE_CHALLENGER = CHALLENGER | {"b", "v2", "m2", "2"}
MODEL_COLUMNS = (
    "model",
    "role",
    "variant",
    "arm",
    "model_role",
    "model_name",
    "model_id",
    "model_version",
    "version",
)
CALENDAR = set(words_in("date day dt ds hour year month ymd"))
NAMES = {
    "request_id": "request_id req_id trace_id correlation_id event_id prediction_id "
    "transaction_id uuid guid id",
    "ts": "ts timestamp event_time event_ts request_time request_ts predicted_at prediction_ts "
    "logged_at created_at datetime time",
    "score": "score probability prob proba y_score y_prob y_proba model_score prediction_score "
    "predicted_probability p yhat y_hat y_pred pred predicted predicted_value prediction",
    "prediction": "prediction predicted_class predicted_label class y_pred pred predicted",
    "latency_ms": "latency_ms latency duration_ms response_time_ms inference_ms elapsed_ms "
    "took_ms latency_millis duration elapsed",
    "error": "error is_error failed error_message exception error_code status_code http_status "
    "status",
    "unit_id": "unit_id user_id userid customer_id account_id client_id member_id session_id "
    "device_id tailnum user customer",
    "feature_ts": "feature_ts features_ts feature_time feature_timestamp features_updated_at",
    "decision": "decision action approved",
    "version": "version model_version model_sha release",
    "label": "label target y_true ground_truth y outcome",
    "label_ts": "label_ts label_time labelled_at labeled_at label_timestamp",
}
"""Names that logs give to what the product calls by the key, the likeliest first."""
KINDS = {
    "request_id": {"text", "number"},
    "ts": {"time"},
    "score": {"number"},
    "prediction": {"text", "number", "flag"},
    "latency_ms": {"number"},
    "error": {"flag", "number", "text"},
    "unit_id": {"text", "number"},
    "feature_ts": {"time"},
    "decision": {"text", "number", "flag"},
    "version": {"text", "number"},
    "label": {"text", "number", "flag"},
    "label_ts": {"time"},
}
PREDICTIONS = [name for name in NAMES if not name.startswith("label")]
