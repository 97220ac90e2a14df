"""The gate tried on the champion's own log: silent without harm, loud with it."""

from __future__ import annotations

import msgspec
import numpy as np
from logbook import Book, plain

from analyzer import policy
from analyzer.phases.gate import Material
from analyzer.rehearsal import rehearse
from analyzer.verdict import Trial


def trials(book: Book, splits: int = 20, **options: object) -> dict[str, Trial]:
    """The record of a book's champion log."""
    limits = policy.load()
    limits = msgspec.structs.replace(
        limits,
        record=msgspec.structs.replace(limits.record, splits=splits),
        shadow=msgspec.structs.replace(limits.shadow, max_error_rate=0.01, **options),
    )
    profiles = book.profiles
    material = Material(
        book.rollout, limits, profiles, (), profiles.window.end, profiles.window.start
    )
    return {trial.what.split()[0]: trial for trial in rehearse(material)}


def write(book: Book, **columns: object) -> None:
    ours, theirs = plain(20_000, hours=24, unit_id=np.arange(20_000) % 4000, **columns)
    if "latency_ms" not in columns:
        ours = ours.set_column(3, "latency_ms", [np.full(20_000, 30.0)])
    book.write("champion.parquet", ours)
    book.write("challenger.parquet", theirs)
    book.describe()
    book.scan()


def test_no_harm_passes_and_each_harm_is_found(book: Book) -> None:
    write(book)
    found = trials(book)
    assert set(found) == {"A/A", "errors", "latency", "score"}
    assert (found["A/A"].held, found["A/A"].undecided) == (0, 0)
    for harm in ("errors", "latency", "score"):
        assert found[harm].held + found[harm].undecided == 20, harm
    assert found["errors"].held == found["score"].held == 20
    assert "20 A/A splits" in found["A/A"].sentence


def test_the_record_is_the_same_on_every_run(book: Book) -> None:
    write(book)
    assert trials(book) == trials(book)


def test_a_champion_that_breaks_the_limits_itself_is_shown(book: Book) -> None:
    write(book, error=np.arange(20_000) % 20 == 0)
    assert trials(book)["A/A"].held == 20


def test_no_splits_no_record(book: Book) -> None:
    write(book)
    assert trials(book, splits=0) == {}


def test_what_was_not_tried_is_not_said_to_be_found(book: Book) -> None:
    ours, theirs = plain(20_000, hours=24)
    for side, log in (("champion", ours), ("challenger", theirs)):
        words = ["cat", "dog"] * 10_000
        table = log.drop_columns(["score", "latency_ms"]).append_column("prediction", [words])
        book.write(f"{side}.parquet", table)
    book.describe(score={"type": "class"})
    book.scan()
    found = trials(book)
    assert set(found) == {"A/A", "errors"}
    assert "the limits on errors would have stopped" in found["A/A"].sentence


def test_scores_below_zero_are_moved_by_their_spread(book: Book) -> None:
    random = np.random.default_rng(6)
    ours, theirs = plain(20_000, hours=24)
    low = [random.normal(-5, 2, 20_000)]
    book.write("champion.parquet", ours.set_column(2, "score", low))
    book.write("challenger.parquet", theirs.set_column(2, "score", low))
    book.describe(score={"type": "regression"})
    book.scan()
    found = trials(book)
    assert (found["A/A"].held, found["score"].held) == (0, 20)
    assert "0.3 standard deviations" in found["score"].sentence


def test_the_record_names_the_limits_and_what_would_have_happened(book: Book) -> None:
    write(book)
    sentence = trials(book)["A/A"].sentence
    assert "errors, slow requests and mean score" in sentence
    assert "would have stopped the rollout 0 times" in sentence
