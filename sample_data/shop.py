"""A made-up shop and its A/B test: `python -m sample_data.shop FOLDER [--seed 1] [--users 27000]`.

Two weeks before the test, to plan from, and two weeks of it: users keep their arm, visit as often
as they are used to, and spend what their habits and their arm make them spend. By default the
challenger's users order more in the app, a little more on the web, and complain no more often.
The same seed gives the same rows. Writes

    past/, past.toml          outcomes before the test, all of the champion: to plan from
    outcomes/, rollout.toml   outcomes of the test: one row per visit
    champion/, challenger/    the requests that each model answered, the champion's of both times
    events.jsonl, policy.toml the diary, and limits for a shop of this size
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

START = np.datetime64("2026-03-16", "us")
DAYS = 14
USERS = 27_000
LIFT = {"app": 0.3, "web": 0.05}
"""What the challenger adds to the chance of an order."""

METRICS = """
[experiment.metrics.revenue]
role = "primary"
value = "revenue"
covariate = "revenue_before"
winsorise = 0.999
[experiment.metrics.conversion]
kind = "proportion"
value = "orders"
[experiment.metrics.basket]
kind = "ratio"
value = "revenue"
denominator = "orders"
[experiment.metrics.complaints]
role = "guard rail"
better = "lower"
value = "complaints"
margin = 0.25
[experiment.metrics.visits]
kind = "count"
role = "guard rail"
margin = 0.05
"""
DESIGN = """[experiment]
outcomes = ["{outcomes}/*.parquet"]
champion = "A"
challenger = "B"
segments = ["country", "device"]
"""
LOGS = """name = "shop"
[champion]
paths = ["champion/*.parquet"]
[challenger]
paths = ["challenger/*.parquet"]
[segments]
columns = ["country", "device"]
[policy]
path = "policy.toml"
[store]
path = "{store}"
"""
POLICY = """# A minute of this shop holds five or six requests: its triggers are judged by the hour.
[trigger]
bucket_minutes = 60
min_requests = 20
min_expected = 50.0
latency_minutes = 120
error_minutes = 120
volume_minutes = 120
"""


def write(
    folder: Path, seed: int = 1, users: int = USERS, lift: Mapping[str, float] = LIFT
) -> None:
    """Write the shop's logs and what describes them. lift: by device, of the chance of an order."""
    random = np.random.default_rng(seed)
    people = {
        "visits": random.gamma(2.0, 2.0, users),  # of two weeks
        "orders": random.beta(6.0, 44.0, users),  # a visit
        "country": random.choice(["de", "fr", "it"], users, p=[0.5, 0.3, 0.2]),
        "device": random.choice(["app", "web"], users, p=[0.4, 0.6]),
        "arm": np.where(random.random(users) < 0.5, "B", "A"),
    }
    nobody = dict.fromkeys(lift, 0.0)
    past = _visits(random, people, nobody)
    before = np.bincount(past["user"], past["revenue"], users)
    before[np.bincount(past["user"], minlength=users) == 0] = np.nan
    people["revenue_before"] = before
    test = _visits(random, people, lift)
    arm = people["arm"][test["user"]]
    _outcomes(folder / "past", people, past, np.full(len(past["user"]), "A"), -DAYS)
    _outcomes(folder / "outcomes", people, test, arm, 0)
    for name, side in (("champion", "A"), ("challenger", "B")):
        mine = {k: v[arm == side] for k, v in test.items()}
        _requests(random, folder / name, people, mine, 0)
    _requests(random, folder / "champion", people, past, -DAYS)
    _describe(folder)


def _visits(
    random: np.random.Generator, people: Mapping[str, np.ndarray], lift: Mapping[str, float]
) -> dict[str, np.ndarray]:
    """Two weeks of visits, ordered by time: user, moment (microseconds), what they brought."""
    times = random.poisson(people["visits"])
    user = np.repeat(np.arange(len(times)), times)
    day = random.choice(DAYS, len(user), p=np.tile([1.0, 1, 1, 1, 1.1, 1.4, 1.3], 2) / 15.6)
    turn = 1 - 0.5 * np.cos(np.pi * (np.arange(24) - 3) / 12)  # quietest at three in the night
    hour = random.choice(24, len(user), p=turn / turn.sum()) + random.random(len(user))
    moment = ((day * 24 + hour) * 3_600_000_000).astype(np.int64)
    more = np.array([lift[device] for device in ("app", "web")])
    challenged = (people["arm"] == "B")[user]
    factor = 1 + np.where(challenged, more[(people["device"] == "web")[user].astype(int)], 0.0)
    orders = (random.random(len(user)) < people["orders"][user] * factor).astype(np.int64)
    found = {
        "user": user,
        "moment": moment,
        "orders": orders,
        "revenue": np.round(orders * random.gamma(3.0, 14.0, len(user)), 2),
        "complaints": (random.random(len(user)) < 0.012).astype(np.int64),
    }
    order = np.argsort(moment, kind="stable")
    return {name: values[order] for name, values in found.items()}


def _at(moment: np.ndarray, day: int) -> pa.Array:
    """Moments since the test's start, moved by days, as instants."""
    first = int(START.astype(np.int64)) + day * 86_400_000_000
    return pa.array(first + moment, pa.timestamp("us", "UTC"))


def _outcomes(
    folder: Path,
    people: Mapping[str, np.ndarray],
    visits: Mapping[str, np.ndarray],
    arm: np.ndarray,
    first: int,
) -> None:
    """One row per visit, one file per day; `first`: days from the test's start to the first."""
    user = visits["user"]
    before = people["revenue_before"][user]
    rows = pa.table(
        {
            "unit_id": pa.array(np.char.add("u", user.astype(str))),
            "ts": _at(visits["moment"], first),
            "variant": arm,
            "country": people["country"][user],
            "device": people["device"][user],
            # before the first two weeks nothing is known of anybody
            "revenue_before": pa.array(
                np.zeros(len(user)) if first else before, mask=np.isnan(before)
            ),
            **{name: visits[name] for name in ("revenue", "orders", "complaints")},
        }
    )
    _by_day(folder, rows, visits["moment"], first)


def _requests(
    random: np.random.Generator,
    folder: Path,
    people: Mapping[str, np.ndarray],
    visits: Mapping[str, np.ndarray],
    first: int,
) -> None:
    """A request per visit, as a model logs it."""
    user, n = visits["user"], len(visits["user"])
    names = np.char.add(f"{folder.name}{first}-", np.arange(n).astype(str))
    rows = pa.table(
        {
            "request_id": pa.array(names),
            "ts": _at(visits["moment"], first),
            "unit_id": pa.array(np.char.add("u", user.astype(str))),
            "score": np.clip(people["orders"][user] + random.normal(0, 0.03, n), 0.001, 0.999),
            "latency_ms": np.round(random.gamma(4.0, 9.0, n), 1),
            "error": random.random(n) < 0.0001,
            "country": people["country"][user],
            "device": people["device"][user],
        }
    )
    _by_day(folder, rows, visits["moment"], first)


def _by_day(folder: Path, rows: pa.Table, moment: np.ndarray, first: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    ends = np.searchsorted(moment, np.arange(DAYS + 1) * 86_400_000_000)
    for day, (low, high) in enumerate(pairwise(ends)):
        name = str(START.astype("datetime64[D]") + first + day)
        pq.write_table(rows.slice(low, high - low), folder / f"{name}.parquet")


def _describe(folder: Path) -> None:
    start = f"{START.astype('datetime64[D]')}T00:00:00Z"
    for name, outcomes, store in (
        ("past.toml", "past", ".past"),
        ("rollout.toml", "outcomes", ".analyzer"),
    ):
        described = LOGS.format(store=store) + DESIGN.format(outcomes=outcomes) + METRICS
        (folder / name).write_text(described, encoding="utf-8")
    (folder / "policy.toml").write_text(POLICY, encoding="utf-8")
    skipped = [
        {
            "ts": start,
            "kind": "override",
            "phase": phase,
            "what": "skip",
            "note": "the sample begins with the A/B test",
            "source": "sample",
        }
        for phase in ("shadow", "canary")
    ]
    events = [*skipped, {"ts": start, "kind": "phase", "phase": "ab", "challenger_weight": 0.5}]
    lines = "".join(json.dumps(event) + "\n" for event in events)
    (folder / "events.jsonl").write_text(lines, encoding="utf-8")


def main() -> None:
    """Write a shop as the command line asks."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--users", type=int, default=USERS)
    arguments = parser.parse_args()
    write(arguments.folder, arguments.seed, arguments.users)


if __name__ == "__main__":
    main()
