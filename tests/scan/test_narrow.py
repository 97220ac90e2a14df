"""What is decided about a row on its logged values: failed, slow, usable."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from logbook import Book, plain, times

from analyzer.scan.narrow import coded
from analyzer.serving import UNKNOWN_ERROR, failures

U = UNKNOWN_ERROR


@pytest.mark.parametrize(
    ("values", "failed"),
    [
        (pa.array([True, False, None]), [1, 0, U]),
        (pa.array([200, 404, 499, 500, 503, None, 0, 1, 7]), [0, 0, 0, 1, 1, U, 0, 1, 1]),
        (pa.array([200.0, 500.0, float("nan"), None]), [0, 1, U, U]),
        (
            pa.array(["", None, "timeout", "200", "503", " OK ", "False", "true", "0"]),
            [0, 0, 1, 0, 1, 0, 0, 1, 0],
        ),
        (pa.array(["200", "boom", None]).dictionary_encode(), [0, 1, 0]),
        (pa.array(["boom", ""], pa.large_string()), [1, 0]),
        (pa.nulls(3), [U, U, U]),
    ],
    ids=["flag", "status", "real", "text", "dictionary", "large", "null"],
)
def test_what_counts_as_an_error(values: pa.Array, failed: list[int]) -> None:
    assert failures(values, len(values)).tolist() == failed


def test_a_log_without_errors_knows_nothing_of_them() -> None:
    assert failures(None, 2).tolist() == [U, U]


def test_codes_of_a_full_small_dictionary() -> None:
    """A dictionary of int8 indices has no room for one code more."""
    words = [f"w{i:03}" for i in range(128)]
    indices = pa.array([0, None, 127], pa.int8())
    values = pa.DictionaryArray.from_arrays(indices, pa.array(words))
    assert coded(values, words[:10], null=11).tolist() == [0, 11, 10]


@pytest.mark.parametrize("kind", [pa.float32(), pa.float64(), pa.decimal128(12, 8), pa.int64()])
def test_a_latency_at_the_limit_is_over_it(book: Book, kind: pa.DataType) -> None:
    under = "199" if kind == pa.int64() else "199.9999" if kind == pa.float32() else "199.99999999"
    latency = pa.array(["200", under, "201", None]).cast(kind, safe=False)
    base = {"request_id": ["a", "b", "c", "d"], "ts": times([0, 1, 2, 3]), "score": [0.5] * 4}
    book.write("champion.parquet", {**base, "latency_ms": latency})
    book.write("challenger.parquet", base)
    book.describe(time={"slot_hours": 1})
    book.scan()
    where = {"model": "champion", "a": None}
    assert book.total("cells", "over_200ms", **where) == 2
    assert book.total("cells", "latency_n", **where) == 3


def test_unusable_scores_are_named(book: Book) -> None:
    scores = [0.0, -0.0, 1.0, 1.0000001, -1e-9, np.nan, np.inf, -np.inf, None]
    fine = [False] * 9
    base = {"request_id": list("abcdefghi"), "ts": times(range(9)), "error": fine}
    book.write("champion.parquet", {**base, "score": scores})
    book.write("challenger.parquet", {**base, "score": [0.5] * 9})
    book.describe(time={"slot_hours": 1})
    book.scan()
    found = {(row["reason"], row["n"]) for row in book.table("rejects").to_pylist()}
    assert found == {("score out of range", 2), ("score nan", 1), ("score infinite", 2)}
    assert book.total("cells", "nulls", model="champion", a=None) == 6
    codes = [r["code"] for r in book.table("fine_hours").to_pylist() if r["model"] == "champion"]
    assert codes == [0, 0x7E00]


def test_a_regression_score_far_beyond_the_reference_is_out_of_range(book: Book) -> None:
    """Squares must fit into 64 bits however wrong the unit of a new model is."""
    ours, theirs = plain(3000)
    theirs = theirs.set_column(2, "score", pa.array(np.asarray(ours["score"]) * 1e9))
    book.write("champion.parquet", ours)
    book.write("challenger.parquet", theirs)
    book.describe(score={"type": "regression"}, time={"slot_hours": 6})
    book.scan()
    assert book.total("rejects", reason="score out of range", model="challenger") == 3000
    assert book.total("cells", "nulls", model="pair", a=None) == 3000
