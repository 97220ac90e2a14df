"""The law of the code base: profiles add up to the same bytes however the rows were spread."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from logbook import MESSY, START, Book, messy, write_messy

from analyzer import policy
from analyzer.errors import StoreError
from analyzer.logs import SIDES
from analyzer.profile import TABLES, encode, merge
from analyzer.profile import table as made
from analyzer.scan import halves, pairs
from analyzer.scan import run as scan
from analyzer.window import HOUR

HOURS = {"slot_hours": 3}


@pytest.fixture(scope="module")
def messy_book(tmp_path_factory: pytest.TempPathFactory) -> Book:
    """A scanned messy log."""
    book = Book(Path(tmp_path_factory.mktemp("law")))
    write_messy(book, slot_hours=1, rows=2500)
    book.scan()
    return book


@pytest.mark.parametrize("name", sorted(TABLES))
def test_slots_add_up_in_any_order_and_grouping(messy_book: Book, name: str) -> None:
    store = messy_book.store
    parts = [store.read(m, name) for m in store.manifests().values()]
    whole = encode(merge(name, parts))

    @given(st.permutations(range(len(parts))), st.integers(0, len(parts)))
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    def check(order: list[int], cut: int) -> None:
        groups = [[parts[i] for i in order[:cut]], [parts[i] for i in order[cut:]]]
        merged = [merge(name, group) for group in groups if group]
        assert encode(merge(name, merged)) == whole

    check()


def test_a_slot_split_into_parts_gives_the_same_bytes(
    messy_book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout = messy_book.rollout
    files = scan._survey(rollout, messy_book.store)
    shape = scan.shape_of(
        rollout, messy_book.store.frozen(), files, policy.load().latency_thresholds
    )
    start = sorted(messy_book.store.manifests())[1]
    whole = halves.half_of(scan.slot_of(shape, files, start), "pairs")
    monkeypatch.setattr(pairs, "WHOLE_ROWS", 150)
    monkeypatch.setattr(pairs, "PART_ROWS", 150)
    parts = halves.half_of(scan.slot_of(shape, files, start), "pairs")
    assert whole.keys() == parts.keys()
    assert [name for name in whole if whole[name] != parts[name]] == []


def rewrite(book: Book, how: str) -> dict[str, dict[str, Any]]:
    """The same rows, laid out in files differently. Returns changed sections."""
    random = np.random.default_rng(len(how))
    sections: dict[str, dict[str, Any]] = {}
    for side, table in zip(SIDES, messy(rows=1200, hours=4), strict=True):
        order = pa.array(random.permutation(len(table)))
        if how == "sorted":
            order = pa.array(np.argsort(np.asarray(table["ts"].cast(pa.int64())), kind="stable"))
        table = table.take(order)
        pieces = 7 if how == "many files" else 1
        size = 60 if how == "small row groups" else 10**6
        for number in range(pieces):
            rows = table.slice(number * len(table) // pieces)
            rows = rows.slice(
                0, (number + 1) * len(table) // pieces - number * len(table) // pieces
            )
            if how == "dictionaries":
                rows = rows.set_column(
                    rows.schema.get_field_index("plan"), "plan", rows["plan"].dictionary_encode()
                )
            book.write(
                f"{side}/{random.integers(10**6)}.parquet",
                rows,
                row_group_size=size,
                write_statistics=how != "no statistics",
                use_dictionary=how != "plain",
            )
        sections[side] = {"paths": [f"{side}/*.parquet"]}
    return sections


LAYOUTS = [
    "shuffled",
    "sorted",
    "many files",
    "small row groups",
    "no statistics",
    "plain",
    "dictionaries",
]


def test_layout_of_files_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of champion and challenger no digest changes, and the frozen facts do not either."""
    found = {}
    for how in LAYOUTS:
        book = Book(tmp_path / how)
        book.describe(**rewrite(book, how), **MESSY, time=HOURS)
        book.scan()
        found[how] = (book.digests(), (book.root / ".analyzer/columns.json").read_bytes())
    assert all(found[how] == found["shuffled"] for how in LAYOUTS)
    assert len(found["shuffled"][0]) == 2


def test_workers_and_threads_do_not_matter(tmp_path: Path) -> None:
    found = []
    before = pa.cpu_count()
    for number, (jobs, threads) in enumerate(((1, 1), (2, 2), (1, 8))):
        book = Book(tmp_path / str(number))
        write_messy(book, rows=1000)
        pa.set_cpu_count(threads)
        book.scan(jobs=jobs)
        found.append(book.digests())
    pa.set_cpu_count(before)
    assert found[0] == found[1] == found[2]


def test_any_executor_will_do(book: Book) -> None:
    from multiprocessing import get_context

    write_messy(book, rows=600)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        book.scan(executor=pool)
    digests = book.digests()
    other = Book(book.root / "other")
    write_messy(other, rows=600)
    other.scan()
    assert other.digests() == digests


def test_progress_ends_at_all_rows(book: Book) -> None:
    write_messy(book, rows=600)
    seen: list[tuple[int, int]] = []
    done = book.scan(progress=lambda rows, total: seen.append((rows, total)))
    assert seen[0][0] == 0 and seen[-1] == (done.rows, done.rows)
    assert seen == sorted(seen)


def test_sums_fit_by_cell_and_not_by_table() -> None:
    """Many large cells may together exceed 64 bits; one that does is refused by name."""
    hours = [START + k * HOUR for k in range(6)]
    part = made("minutes", {"minute": hours, "model": ["pair"] * 6, "score_sum": [2**60] * 6})
    assert merge("minutes", [part, part])["score_sum"].to_pylist() == [2**61] * 6
    with pytest.raises(StoreError, match="score_sum"):
        merge("minutes", [part] * 5)
