"""Turn a played scene into the rows each log receives."""

import numpy as np
import pyarrow as pa

from .features import shape_of
from .identifiers import request_ids, unit_ids
from .incidents import Scene, new_values
from .models import sigmoid
from .spec import Spec
from .streams import Stream
from .vocabulary import CATEGORIES, SEGMENTS

TIMESTAMP = pa.timestamp("us", tz="UTC")
US_PER_HOUR = 3_600_000_000


def model_table(scene: Scene, model: str) -> pa.Table:
    """Return one model's rows of the block, in order of time."""
    rows, ts = _order(scene, model)
    block, real = scene.block, np.float64 if scene.spec.float64 else np.float32
    columns = {
        "request_id": request_ids(block.number[rows], scene.spec.string_ids),
        "ts": pa.array(ts, type=pa.int64()).cast(TIMESTAMP),
    }
    if model == "champion":
        columns["unit_id"] = unit_ids(block.user[rows])
    score = scene.scores[model][rows].astype(real)
    columns["score"] = pa.array(score, mask=block.error[model][rows])
    columns["latency_ms"] = pa.array(np.exp(block.log_latency[model][rows]).astype(np.float32))
    columns["error"] = pa.array(block.error[model][rows])
    if model == "champion":
        columns |= _segment_columns(scene, rows)
    if model == "champion" or scene.spec.challenger_features:
        columns |= _feature_columns(scene, model, rows, real)
    return pa.table(columns)


def _order(scene: Scene, model: str) -> tuple[np.ndarray, np.ndarray]:
    """Return which requests the log holds, in order of time, and their times.

    A duplicate is the same row logged again up to 200 ms later, but not after the block's last
    row, so that the champion's file stays in order.
    """
    block = scene.block
    again = scene.again.get(model, np.empty(0, dtype=np.int64))
    rows = np.concatenate([np.flatnonzero(block.present[model]), again])
    ts = block.ts[model][rows]
    if len(again):
        late = scene.streams.uniform(Stream.SHADOW_DELAY, len(again), 1) * 199_000 + 1_000
        ts[-len(again) :] = np.minimum(ts[-len(again) :] + late.astype(np.int64), ts.max())
    order = np.argsort(ts, kind="stable")
    return rows[order], ts[order]


def _segment_columns(scene: Scene, rows: np.ndarray) -> dict[str, pa.Array]:
    return {
        name: _coded(scene.block.segments[name][rows], list(vocabulary.values))
        for name, vocabulary in SEGMENTS.items()
    }


def _feature_columns(
    scene: Scene, model: str, rows: np.ndarray, real: type[np.floating]
) -> dict[str, pa.Array]:
    columns = {}
    for k in range(scene.spec.features):
        latent = scene.block.latent[k]
        if model == "challenger":
            latent = scene.challenger_latent.get(k, latent)
        value = shape_of(k)(latent[rows]).astype(real)
        columns[f"f{k:02d}"] = pa.array(value, mask=scene.block.null[k][rows])
    for name in CATEGORIES:
        columns[name] = _coded(scene.codes(name)[rows], _values(scene.spec, name))
    return columns


def _values(spec: Spec, column: str) -> list[str]:
    return [*CATEGORIES[column].values, *new_values(spec, column)]


def _coded(codes: np.ndarray, values: list[str]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int16)), pa.array(values))


def label_table(scene: Scene) -> pa.Table:
    """Return the true outcome of every request, known about a day later, some weeks later."""
    block = scene.block
    chance = sigmoid(block.logits()["truth"])
    label = scene.streams.uniform(Stream.LABEL, len(block)) < chance
    delay = scene.streams.open(Stream.LABEL, 1).standard_normal(len(block))
    lag = (np.exp(delay) * 24 * US_PER_HOUR).astype(np.int64)
    columns = {
        "request_id": request_ids(block.number, scene.spec.string_ids),
        "label": pa.array(label.astype(np.int8)),
        "label_ts": pa.array(block.ts["champion"] + lag, type=pa.int64()).cast(TIMESTAMP),
    }
    return pa.table(columns)
