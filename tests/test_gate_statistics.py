"""What a gate's intervals must allow for: few busy hours, mirrored shares, silence, users."""

from __future__ import annotations

import msgspec
import numpy as np
import pyarrow as pa
from logbook import START, Book, times

from analyzer import policy
from analyzer.gate import gate
from analyzer.measure import Hourly, latency_quantile, rate_of
from analyzer.verdict import Check, Verdict
from analyzer.window import HOUR, Window

Columns = dict[str, pa.Array]


def logs(at: np.ndarray, seed: int = 3, units: int = 2000) -> tuple[Columns, Columns]:
    """Two healthy logs with requests at these seconds."""
    random = np.random.default_rng(seed)
    rows = len(at)
    logit, unit = random.normal(-1, 1, rows), random.integers(0, units, rows)

    def side(noise: float) -> Columns:
        return {
            "request_id": pa.array([f"r{i}" for i in range(rows)]),
            "ts": times(at),
            "unit_id": pa.array(unit),
            "score": pa.array(1 / (1 + np.exp(-logit - random.normal(0, noise, rows)))),
            "latency_ms": pa.array(random.uniform(20, 40, rows)),
        }

    return side(0.0), side(0.2)


def judged(
    book: Book, ours: Columns, theirs: Columns, hours: int, mirror: float = 1.0, **limits: object
) -> Verdict:
    """The shadow gate's verdict on two logs."""
    shipped = policy.load()
    easy = msgspec.structs.replace(shipped.shadow, **{"max_error_rate": 0.05, **limits})
    record = msgspec.structs.replace(shipped.record, splits=0)
    book.write("champion.parquet", ours)
    book.write("challenger.parquet", theirs)
    book.describe(shadow={"mirror_share": mirror})
    book.scan()
    own = msgspec.structs.replace(shipped, shadow=easy, record=record)
    return gate(book.rollout, own, "shadow", window=Window(START, START + hours * HOUR))


def named(verdict: Verdict, name: str) -> Check:
    return next(check for check in verdict.checks if check.id == name)


def spread(rows: int, hours: float) -> np.ndarray:
    return np.sort(np.random.default_rng(1).uniform(0, hours * 3600, rows))


def test_a_few_busy_blocks_or_units_are_not_independent_rows() -> None:
    burst, even = np.array([40, 0, 0, 0]), np.full(4, 10)
    blocks = rate_of(burst, np.full(4, 1000))
    units = rate_of(even, np.full(4, 1000), burst, np.full(4, 1000))
    assert blocks.deff > 10 and units.deff > 10
    assert rate_of(even, np.full(4, 1000)).deff == 1.0


def test_sums_beyond_64_bits_do_not_wrap() -> None:
    hours = Hourly(0, {"score_sum": np.full(72, 2**59)})
    assert hours.total("score_sum") == 72 * 2**59
    assert hours.total("score_sum", slice(0, 30)) == 30 * 2**59


def test_scores_in_two_hours_a_day_cannot_show_their_spread(book: Book) -> None:
    """A nightly batch: two blocks a day say nothing of how alike a block's scores are."""
    at = np.concatenate([day * 86_400 + spread(4000, 4) for day in range(2)])
    verdict = judged(book, *logs(at), hours=48)
    check = named(verdict, "model.score_psi")
    assert check.outcome == "undecided"
    assert "2 pairs of 2-hour blocks" in check.observed.undefined


def test_a_mirrored_tenth_is_compared_with_the_same_tenth(book: Book) -> None:
    """The mirrored requests' scores differ from all, more so later; the two models agree."""
    at = spread(60_000, 24)
    ours, theirs = logs(at)
    score = ours["score"].to_numpy()
    wanted = np.where(at > 12 * 3600, score, 1 - score)
    kept = pa.array(np.flatnonzero(np.random.default_rng(2).random(60_000) < 0.2 * wanted))
    part = {name: values.take(kept) for name, values in theirs.items()}
    share = len(kept) / 60_000
    check = named(judged(book, ours, part, 24, mirror=share), "model.score_ratio")
    assert check.outcome == "pass", check.sentence
    assert check.observed.value < 0.05


def test_the_choice_of_mirrored_requests_is_chance(book: Book) -> None:
    at = spread(6000, 24)
    ours, theirs = logs(at)
    for count, outcome in ((600, "pass"), (585, "undecided"), (400, "fail")):
        kept = pa.array(np.sort(np.random.default_rng(4).permutation(6000)[:count]))
        part = {name: values.take(kept) for name, values in theirs.items()}
        verdict = judged(book, ours, part, 24, mirror=0.1)
        assert named(verdict, "data.coverage").outcome == outcome
        # four requests a minute: two minutes in three hold no mirrored one
        minutes = named(verdict, "data.unwatched")
        assert minutes.observed.value > 0.6
        assert minutes.outcome == ("fail" if count == 400 else "pass")
        assert "choice of requests" in minutes.sentence


def test_silent_users_widen_what_may_have_been_slow(book: Book) -> None:
    """No latency from one of 40 users is one observation of users, not 60 of requests."""
    at = spread(24_000, 24)
    ours, theirs = logs(at, units=40)
    silent = (theirs["unit_id"].to_numpy() == 7) & (np.arange(24_000) % 10 == 0)
    theirs["latency_ms"] = pa.array(theirs["latency_ms"].to_numpy(), mask=silent)
    check = named(judged(book, ours, theirs, 24), "infrastructure.latency")
    assert 0.002 < silent.mean() < 0.003
    assert check.observed.high > 0.01 and check.outcome == "undecided"


def test_requests_that_stay_silent_are_not_waited_for(book: Book) -> None:
    at = spread(24_000, 24)
    ours, theirs = logs(at)
    theirs["latency_ms"] = pa.array(
        theirs["latency_ms"].to_numpy(), mask=np.arange(24_000) % 50 == 0
    )
    verdict = judged(book, ours, theirs, 24)
    wait = next(w for w in verdict.enough_data if w.check == "infrastructure.latency")
    assert wait.at is None and "no number of requests" in wait.sentence


def test_slow_hours_widen_the_median(book: Book) -> None:
    """Hours slow as a whole: 12 observations of the level, not 24,000."""
    at = spread(24_000, 24)
    ours, theirs = logs(at)
    level = np.random.default_rng(5).normal(0, 0.15, 12)[(at // 7200).astype(int)]
    noise = np.random.default_rng(6).normal(0, 0.5, 24_000)
    theirs["latency_ms"] = pa.array(30 * np.exp(level + noise))
    theirs_only = pa.array(30 * np.exp(noise))
    book.write("champion.parquet", {**ours, "latency_ms": theirs_only})
    book.write("challenger.parquet", theirs)
    book.describe()
    book.scan()
    steady, moving = (
        latency_quantile(book.profiles, side, 0.5) for side in ("champion", "challenger")
    )
    assert moving.high - moving.low > 4 * (steady.high - steady.low)
    assert moving.low < 30 < moving.high
