"""The label join against plain Python, on logs in which everything that goes wrong goes wrong."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from logbook import INSTANT, START, Book

from analyzer.labels import cells as at
from analyzer.labels import label_days
from analyzer.labels.known import known
from analyzer.labels.tables import DAY, fragments
from analyzer.labels.update import update

DAYS = 6
OPEN = 4
FIRST = START // DAY


def instants(micros: list[int]) -> pa.Array:
    return pa.array([START + m for m in micros], INSTANT)


def predictions(random: np.random.Generator, kind: str, n: int = 240) -> dict[str, dict]:
    """Rows of both models by request id: (ts, said); some requests only in one log."""
    found: dict[str, dict] = {"champion": {}, "challenger": {}}
    for i in range(n):
        ts = int(random.integers(0, DAYS * DAY - 10_000_000))
        ts -= ts % DAY > DAY - 10_000_000 and 20_000_000
        for side, late in (("champion", 0), ("challenger", 3_000_000)):
            if random.random() < 0.9:
                said: object = round(float(random.beta(2, 3)), 3)
                if kind == "classes":
                    said = str(random.choice(["cat", "dog", "eel"]))
                elif kind == "values":
                    said = round(float(random.normal(50, 20)), 2)
                found[side][f"r{i}"] = (max(ts, 0) + late, said)
    return found


def labels(random: np.random.Generator, kind: str, said: dict[str, dict], n: int) -> list[tuple]:
    """(id, label, label_ts): revisions, duplicates, conflicts, orphans, early ones, NULLs."""
    ids = sorted(set(said["champion"]) | set(said["challenger"]))
    rows = []
    for _ in range(n):
        request = str(random.choice(ids))
        if random.random() < 0.05:
            request = f"nobody{random.integers(0, 9)}"
        about = said["champion"].get(request) or said["challenger"].get(request) or (0, 0)
        delay = float(random.exponential(1.5 * DAY)) - (DAY / 4 if random.random() < 0.1 else 0)
        ts = int(about[0] + delay)
        label: object = int(random.random() < 0.4)
        if kind == "classes":
            label = str(random.choice(["cat", "dog", "eel", "emu"]))
        elif kind == "values":
            label = round(float(random.normal(50, 20)), 2)
        if random.random() < 0.03:
            label = None
        rows.append((request, label, ts))
        if random.random() < 0.1:
            rows.append((request, label, ts))
        if random.random() < 0.08:
            other = {"binary": 0, "classes": "dog", "values": 51.0}[kind]
            rows.append((request, other, ts))
    order = random.permutation(len(rows))
    return [rows[i] for i in order if rows[i][2] >= 0]


def states(said: dict[str, dict], rows: list[tuple], as_of: int) -> tuple[dict, Counter]:
    """Label of each request that is known when day `as_of` begins, and what was left out."""
    faults: Counter = Counter()
    by_id: dict[str, set] = {}
    seen: set = set()
    lost: set = set()
    when = {**said["challenger"], **said["champion"]}
    for request, label, ts in rows:
        if ts >= as_of * DAY:
            continue
        if label is None:
            faults["label is NULL or NaN"] += 1
            continue
        if (request, label, ts) in seen:
            faults["the same label again"] += 1
            continue
        seen.add((request, label, ts))
        made = when.get(request)
        day = ts // DAY
        if made is None or not 0 <= day - made[0] // DAY < OPEN:
            lost.add((request, day))
        elif ts < made[0]:
            faults["label before the prediction"] += 1
        else:
            by_id.setdefault(request, set()).add((ts, label))
    faults["no prediction in the open window"] = len(lost)
    found = {}
    for request, events in by_id.items():
        last = max(ts for ts, _ in events)
        final = [label for ts, label in events if ts == last]
        if len(final) > 1:
            faults["labels contradict each other at the same instant"] += 1
        else:
            found[request] = final[0]
    return found, +faults


def write(book: Book, kind: str, said: dict[str, dict], rows: list[tuple], files: int) -> None:
    column = "prediction" if kind == "classes" else "score"
    for side, made in said.items():
        values = sorted((ts, request, value) for request, (ts, value) in made.items())
        book.write(
            f"{side}.parquet",
            {
                "request_id": [r for _, r, _ in values],
                "ts": instants([ts for ts, _, _ in values]),
                column: [v for _, _, v in values],
                "country": [("de", "fr", None)[int(r[1:]) % 3] for _, r, _ in values],
            },
        )
    write_labels(book, rows, files)
    score = {"binary": "probability", "classes": "class", "values": "regression"}[kind]
    book.describe(
        score={"type": score},
        segments={"columns": ["country"]},
        labels={"paths": ["labels/*.parquet"], "open_days": OPEN},
    )


def write_labels(book: Book, rows: list[tuple], files: int, prefix: str = "part") -> None:
    for number in range(files):
        chosen = rows[number::files]
        if chosen:
            book.write(
                f"labels/{prefix}-{number}.parquet",
                {
                    "request_id": [r for r, _, _ in chosen],
                    "label": [v for _, v, _ in chosen],
                    "label_ts": instants([ts for _, _, ts in chosen]),
                },
                row_group_size=50,
            )


def logbook_of(root: Path, kind: str, seed: int, n: int = 500) -> tuple[Book, dict, list[tuple]]:
    random = np.random.default_rng(seed)
    said = predictions(random, kind)
    rows = labels(random, kind, said, n)
    book = Book(root)
    write(book, kind, said, rows, files=3)
    book.scan()
    return book, said, rows


def bytes_of(book: Book) -> dict[str, str]:
    return {m.slot: m.digest for m in fragments(book.store).manifests().values()}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("kind", ["binary", "classes", "values"])
def test_every_past_date_is_what_plain_python_counts(tmp_path: Path, kind: str, seed: int) -> None:
    book, said, rows = logbook_of(tmp_path, kind, seed)
    update(book.rollout)
    for day in range(1, DAYS + 8, 3):
        found = known(book.rollout, START + day * DAY)
        expected, faults = states(said, rows, day)
        assert found.faults == faults
        check_sides(found, said, expected, kind)
        check_pairs(found, said, expected, kind)


def check_sides(found: at.Known, said: dict, expected: dict, kind: str) -> None:
    cells = found.sides
    for side, model in (("champion", at.CHAMPION), ("challenger", at.CHALLENGER)):
        own = {r: v for r, v in expected.items() if r in said[side]}
        mine = (cells.model == model) & (cells.segment == at.ALL_ROWS)
        assert cells.n[mine].sum() == len(own)
        by_day = Counter(made_on(said, r) for r in own)
        counted = Counter()
        for day, n in zip(cells.prediction_day[mine], cells.n[mine], strict=True):
            counted[int(day)] += int(n)
        assert +counted == by_day
        scores = {r: said[side][r][1] for r in own}
        if kind == "values":
            errors = [own[r] - scores[r] for r in own]
            sums = {name: values[mine].sum() for name, values in cells.sums.items()}
            assert sums["error"] == pytest.approx(sum(errors), abs=1e-4)
            assert sums["error_absolute"] == pytest.approx(sum(map(abs, errors)), abs=1e-4)
            assert sums["error_squares"] == pytest.approx(sum(e * e for e in errors), rel=1e-6)
            assert sums["error_fourths"] == pytest.approx(sum(e**4 for e in errors), rel=1e-4)
            above = sum(e * e for e in errors if e > 0)
            assert sums["error_squares_above"] == pytest.approx(above, rel=1e-6, abs=1e-4)
            continue
        place = {word: code for code, word in enumerate(found.classes)}
        other = place.get("(other)")
        truth = Counter(
            (place.get(str(own[r]), other), called(scores[r], place, kind)) for r in own
        )
        counted = Counter()
        for label, call, n in zip(
            cells.label[mine], cells.called[mine], cells.n[mine], strict=True
        ):
            counted[int(label), int(call)] += int(n)
        assert +counted == truth
        assert all(n >= 0 for n in counted.values())
        if kind == "binary":
            assert cells.sums["score"][mine].sum() == pytest.approx(sum(scores.values()))
            squares = sum(s * s for s in scores.values())
            assert cells.sums["score_squares"][mine].sum() == pytest.approx(squares)
        for code, (column, value) in enumerate(found.segments):
            if column:
                inside = (cells.model == model) & (cells.segment == code)
                wanted = [r for r in own if ("de", "fr", None)[int(r[1:]) % 3] == value]
                assert cells.n[inside].sum() == len(wanted)


def check_pairs(found: at.Known, said: dict, expected: dict, kind: str) -> None:
    both = [r for r in expected if r in said["champion"] and r in said["challenger"]]
    cells = found.pairs
    assert cells.n.sum() == len(both)
    assert (cells.age >= 0).all() and (cells.age < OPEN).all()
    if kind == "binary":
        ours = [(expected[r] - said["champion"][r][1]) ** 2 for r in both]
        theirs = [(expected[r] - said["challenger"][r][1]) ** 2 for r in both]
        assert cells.sums["champion_squares"].sum() == pytest.approx(sum(ours), abs=1e-7)
        assert cells.sums["challenger_squares"].sum() == pytest.approx(sum(theirs), abs=1e-7)
        squares = sum((b - a) ** 2 for a, b in zip(ours, theirs, strict=True))
        assert cells.sums["difference_squares"].sum() == pytest.approx(squares, abs=1e-5)


def called(said: object, place: dict[str, int], kind: str) -> int:
    return int(float(said) >= 0.5) if kind == "binary" else place[str(said)]


def made_on(said: dict, request: str) -> int:
    return FIRST + (said["champion"].get(request) or said["challenger"][request])[0] // DAY


def test_nights_in_any_order_give_the_bytes_of_one_run(tmp_path: Path, seed: int = 1) -> None:
    whole, said, rows = logbook_of(tmp_path / "whole", "binary", seed)
    update(whole.rollout)
    nightly = Book(tmp_path / "nightly")
    write(nightly, "binary", said, rows[:50], files=1)
    nightly.scan()
    update(nightly.rollout)
    random = np.random.default_rng(seed)
    for number, part in enumerate(np.array_split(random.permutation(np.arange(50, len(rows))), 4)):
        write_labels(nightly, [rows[i] for i in part], 1, f"late{number}")
        update(nightly.rollout)
    assert bytes_of(nightly) == bytes_of(whole)
    assert update(nightly.rollout).made == ()


def test_a_past_date_is_what_a_run_on_that_date_saw(tmp_path: Path) -> None:
    whole, said, rows = logbook_of(tmp_path / "whole", "binary", 5)
    update(whole.rollout)
    then = Book(tmp_path / "then")
    seen = None
    for day in range(2, DAYS + 6, 3):
        cut = {s: {r: x for r, x in m.items() if x[0] < day * DAY} for s, m in said.items()}
        write(then, "binary", cut, [row for row in rows if row[2] < day * DAY], files=2)
        then.scan()
        update(then.rollout)
        before = seen or {}
        seen = bytes_of(then)
        assert {slot: seen[slot] for slot in before} == before, "a fragment changed"
    every = bytes_of(whole)
    assert {slot: every[slot] for slot in seen} == seen


def test_a_killed_update_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, said, rows = logbook_of(tmp_path / "whole", "binary", 7)
    update(whole.rollout)
    killed = Book(tmp_path / "killed")
    write(killed, "binary", said, rows, files=3)
    killed.scan()
    real = label_days.Counting.add
    left = [9]

    def dies(self: object, *arguments: object) -> None:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        real(self, *arguments)

    monkeypatch.setattr(label_days.Counting, "add", dies)
    with pytest.raises(KeyboardInterrupt):
        update(killed.rollout)
    monkeypatch.undo()
    for file in list((killed.store.path / "labels" / "open").glob("*.arrow"))[::2]:
        file.write_bytes(file.read_bytes()[:100])  # as after a power cut
    update(killed.rollout)
    assert bytes_of(killed) == bytes_of(whole)


def test_what_is_kept_of_the_open_window_may_be_deleted(tmp_path: Path) -> None:
    book, _, rows = logbook_of(tmp_path, "binary", 8)
    update(book.rollout)
    before = bytes_of(book)
    for file in (book.store.path / "labels" / "open").iterdir():
        file.unlink()
    assert update(book.rollout).made == ()
    write_labels(book, [("r1", 1, 20 * DAY), rows[0]], 1, "more")
    made = update(book.rollout).made
    assert 0 < len(made) < len(before) + 1
    assert math.isfinite(known(book.rollout).sides.n.sum())
