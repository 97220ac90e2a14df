"""The join of signals against plain Python, on logs in which everything goes wrong."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from logbook import START, Book

from analyzer import config
from analyzer.errors import ConfigError
from analyzer.labels.proxies.known import Proxy, proxy, rates
from analyzer.labels.proxies.signals import proxy_store
from analyzer.labels.tables import DAY
from analyzer.labels.update import update
from analyzer.logs import SIDES, Side
from tests.labels.test_join import (
    DAYS,
    FIRST,
    OPEN,
    instants,
    labels,
    predictions,
    states,
    write_labels,
)

HOURS = 30
REACH = HOURS * DAY // 24
WAIT = 2


def signals(random: np.random.Generator, said: dict[str, dict], n: int) -> list[tuple]:
    """(id, signal, signal_ts, name): revised, duplicated, contradicting, late, early, of others."""
    ids = sorted(set(said["champion"]) | set(said["challenger"]))
    rows = []
    for _ in range(n):
        request = str(random.choice(ids))
        if random.random() < 0.05:
            request = f"nobody{random.integers(0, 9)}"
        about = said["champion"].get(request) or said["challenger"].get(request) or (0, 0)
        delay = float(random.exponential(0.6 * DAY)) - (DAY / 4 if random.random() < 0.1 else 0)
        told: object = int(random.random() < 0.7) if random.random() > 0.03 else None
        row = (request, told, int(about[0] + delay), str(random.choice(["click", "o'click"])))
        rows += [row] * (2 if random.random() < 0.1 else 1)
        if random.random() < 0.08:
            rows.append((request, 0, *row[2:]))
    return [row for row in rows if row[2] >= 0]


def told(said: dict[str, dict], rows: list[tuple], name: str) -> dict[str, int]:
    """The settled signal of each request; contradicted ones are left out."""
    when = {**said["challenger"], **said["champion"]}
    found: dict[str, set] = {}
    for request, signal, ts, named in rows:
        made = when.get(request)
        if made is None or signal is None or named != name:
            continue
        if made[0] <= ts <= made[0] + REACH:
            found.setdefault(request, set()).add((ts, signal))
    answer = dict.fromkeys(when, 0)
    for request, events in found.items():
        last = max(ts for ts, _ in events)
        final = {signal for ts, signal in events if ts == last}
        answer[request] = final.pop() if len(final) == 1 else -1
    return {request: signal for request, signal in answer.items() if signal >= 0}


def write_signals(book: Book, rows: list[tuple], files: int = 1, prefix: str = "part") -> None:
    for number in range(files):
        mine = rows[number::files]
        columns = {
            "request_id": [r for r, *_ in mine],
            "label": [v for _, v, *_ in mine],
            "label_ts": instants([ts for _, _, ts, _ in mine]),
            "kind": [name for *_, name in mine],
        }
        book.write(f"signals/{prefix}-{number}.parquet", columns, row_group_size=40)


def written(root: Path, seed: int) -> tuple[Book, dict, list[tuple], list[tuple]]:
    random = np.random.default_rng(seed)
    said = predictions(random, "binary")
    rows = labels(random, "binary", said, 500)
    book = Book(root)
    for side, made in said.items():
        values = sorted((ts, request, value) for request, (ts, value) in made.items())
        columns = {
            "request_id": [r for _, r, _ in values],
            "ts": instants([ts for ts, _, _ in values]),
            "score": [v for _, _, v in values],
        }
        book.write(f"{side}.parquet", columns)
    write_labels(book, rows, files=3)
    described = {
        "paths": ["signals/*.parquet"],
        "name": "o'click",
        "open_hours": HOURS,
        "columns": {"name": "kind"},
    }
    book.describe(
        score={"type": "probability"},
        labels={"paths": ["labels/*.parquet"], "open_days": OPEN},
        **{"proxies.click": described},
    )
    book.scan()
    return book, said, rows, signals(random, said, 400)


def counted(found: Proxy) -> tuple[Counter, Counter]:
    """Pairs by prediction day and signal; labelled ones by label, too."""
    made, labelled = Counter(), Counter()
    cells = found.made.pairs
    for day, signal, n in zip(cells.prediction_day, found.made.signal, cells.n, strict=True):
        made[int(day), int(signal)] += int(n)
    cells = found.labelled.pairs
    columns = (cells.prediction_day, found.labelled.signal, cells.label, cells.n)
    for day, signal, label, n in zip(*columns, strict=True):
        labelled[int(day), int(signal), int(label)] += int(n)
    assert all(n >= 0 for n in labelled.values())
    return +made, +labelled


def expected(said: dict, rows: list, given: list, as_of: int) -> tuple[Counter, Counter]:
    """The same from the rows themselves: signals settle once the log reaches beyond their time."""
    alive = sorted({ts // DAY for _, _, ts, _ in given if ts < as_of * DAY})
    truths, _ = states(said, rows, as_of)
    made, labelled = Counter(), Counter()
    for request, signal in told(said, given, "o'click").items():
        if request not in said["champion"] or request not in said["challenger"]:
            continue
        day = said["champion"][request][0] // DAY
        on = next((d for d in alive if d >= day + WAIT), None)
        if day < alive[0] or on is None or on >= day + OPEN:
            continue
        made[FIRST + day, signal] += 1
        if request in truths:
            labelled[FIRST + day, signal, truths[request]] += 1
    return made, labelled


def of_sides(said: dict, given: list, as_of: int) -> dict[str, Counter]:
    """Each model's requests by prediction day and signal, whether or not the other has them."""
    alive = sorted({ts // DAY for _, _, ts, _ in given if ts < as_of * DAY})
    when = {**said["challenger"], **said["champion"]}
    found: dict[str, Counter] = {side: Counter() for side in SIDES}
    for request, signal in told(said, given, "o'click").items():
        day = when[request][0] // DAY
        on = next((d for d in alive if d >= day + WAIT), None)
        if day >= alive[0] and on is not None and on < day + OPEN:
            for side in SIDES:
                found[side][FIRST + day, signal] += request in said[side]
    return {side: +counts for side, counts in found.items()}


def counted_rates(book: Book, side: Side, as_of: int) -> Counter:
    found = rates(book.rollout, "click", side, FIRST + as_of)
    counts = Counter()
    for day, (n, yes) in enumerate(zip(found.n.tolist(), found.yes.tolist(), strict=True)):
        counts[found.first + day, 0], counts[found.first + day, 1] = n - yes, yes
    return +counts


def test_each_models_own_requests_are_what_plain_python_counts(tmp_path: Path) -> None:
    book, said, _, given = written(tmp_path, 3)
    write_signals(book, given)
    assert not rates(book.rollout, "click", "champion", FIRST + DAYS).n.size
    update(book.rollout)
    for day in (4, DAYS, DAYS + 6):
        wanted = of_sides(said, given, day)
        for side in SIDES:
            assert counted_rates(book, side, day) == wanted[side]
    assert len({tuple(sorted(counts.items())) for counts in wanted.values()}) == 2
    with pytest.raises(ConfigError, match="does not describe"):
        rates(book.rollout, "complaint", "champion", FIRST)


def test_every_past_date_is_what_plain_python_counts(tmp_path: Path) -> None:
    book, said, rows, given = written(tmp_path, 0)
    write_signals(book, given, files=2)
    update(book.rollout)
    for day in range(1, DAYS + 6, 3):
        found = proxy(book.rollout, "click", FIRST + day)
        assert counted(found) == expected(said, rows, given, day)
        whole = proxy(book.rollout, "click", FIRST + DAYS + 6).at(FIRST + day)
        assert counted(whole) == counted(found)
    assert set(found.faults) == {
        "no prediction within open_hours",
        "signal after open_hours",
        "signal before the prediction",
        "signal is NULL or NaN",
        "signals contradict each other at the same instant",
        "the same signal again",
    }
    assert update(book.rollout).made == ()


def bytes_of(book: Book) -> dict[str, str]:
    return {m.slot: m.digest for m in proxy_store(book.store, "click").manifests().values()}


def test_nights_give_the_bytes_of_one_run(tmp_path: Path) -> None:
    whole, said, rows, given = written(tmp_path / "whole", 4)
    given.sort(key=lambda row: row[2])
    nights = [[row for row in given if row[2] // DAY == day] for day in range(DAYS + 4)]
    nightly, *_ = written(tmp_path / "nightly", 4)
    for day, night in enumerate(nights):
        if not night:
            continue
        for book in (whole, nightly):
            write_signals(book, night, prefix=f"night{day}")
        update(nightly.rollout)
        now = bytes_of(nightly)
        assert len(now) >= day
    update(whole.rollout)
    assert bytes_of(nightly) == bytes_of(whole)
    for file in (proxy_store(nightly.store, "click").path / "open").iterdir():
        file.unlink()
    update(nightly.rollout)
    assert bytes_of(nightly) == bytes_of(whole)
    assert counted(proxy(whole.rollout, "click", FIRST + 9)) == expected(said, rows, given, 9)


def test_what_a_proxy_may_not_be_is_named(tmp_path: Path) -> None:
    book, *_ = written(tmp_path, 0)
    file = tmp_path / "rollout.toml"
    good = file.read_text(encoding="utf-8")
    for old, new, said in (
        ("open_hours = 30", "open_hours = 90", "no faster than labels"),
        ("[proxies.click]", '[proxies."a/b"]', "letters, digits"),
        ('"name" = "kind"', '"nom" = "kind"', "no column of proxies"),
        ('paths = ["signals/*.parquet"]', "paths = []", "paths is empty"),
    ):
        changed = good.replace(old, new).replace(
            "[proxies.click.columns]", "[proxies.click.columns]"
        )
        if new.startswith("[proxies"):
            changed = changed.replace("[proxies.click.columns]", '[proxies."a/b".columns]')
        file.write_text(changed, encoding="utf-8")
        with pytest.raises(ConfigError, match=said):
            config.load(file)
    file.write_text(good, encoding="utf-8")
    with pytest.raises(ConfigError, match="does not describe"):
        proxy(book.rollout, "dispute", FIRST)
    assert START // DAY == FIRST
