"""Verdicts on disk: written at once, read back whole, never believed when touched."""

from __future__ import annotations

import os
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from chain.chains import POLICY, chain, verdict

from analyzer.chain.kept import keep, read
from analyzer.errors import StoreError
from analyzer.verdict import digest


def test_an_empty_store_has_an_empty_chain(tmp_path: Path) -> None:
    assert read(tmp_path / "no such store") == chain()


def test_what_is_kept_is_read_back_in_order_of_time(tmp_path: Path) -> None:
    later, earlier = verdict("canary", "2025-03-06"), verdict("shadow", "2025-03-05")
    for one in (later, earlier):
        keep(tmp_path, one, POLICY)
    assert [k.verdict for k in read(tmp_path).kept] == [earlier, later]
    assert [k.digest for k in read(tmp_path).kept] == [digest(earlier), digest(later)]
    assert read(tmp_path) == chain(earlier, later)


def test_the_same_verdict_is_one_file_however_often_and_in_what_order(tmp_path: Path) -> None:
    several = [
        verdict("shadow", f"2025-03-0{day}", word)
        for day in (4, 5)
        for word in ("hold", "promote", "undecided")
    ]
    seen = set()
    for seed in range(6):
        store = tmp_path / str(seed)
        calls = several * 3
        random.Random(seed).shuffle(calls)
        for one in calls:
            keep(store, one, POLICY)
        files = {f.relative_to(store): f.read_bytes() for f in store.rglob("*") if f.is_file()}
        assert len(files) == len(several) + 1
        seen.add(tuple(sorted(files.items())))
    assert len(seen) == 1


def test_gates_at_the_same_time_keep_whole_verdicts(tmp_path: Path) -> None:
    several = [verdict("shadow", "2025-03-05", notes=["x" * 100_000 + str(n)]) for n in range(4)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda n: keep(tmp_path, several[n % 4], POLICY), range(64)))
    found = read(tmp_path)
    assert {k.digest for k in found.kept} == {digest(one) for one in several}
    assert found.faults == ()
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda f: f.write_bytes(f.read_bytes().replace(b'"hold"', b'"promote"')), "was changed"),
        (lambda f: f.write_bytes(f.read_bytes()[:500]), "was changed"),
        (lambda f: f.write_bytes(b""), "was changed"),
        (lambda f: f.rename(f.with_name("best.json")), "its name holds no digest"),
        (lambda f: (f.unlink(), f.mkdir()), "cannot be read"),
        (
            lambda f: f.rename(_folder(f.parent.parent / "canary") / f.name),
            "does not belong here (phase 'shadow')",
        ),
    ],
)
def test_a_touched_file_is_named_and_counts_for_nothing(
    tmp_path: Path, change: object, says: str
) -> None:
    file = keep(tmp_path, verdict("shadow", "2025-03-05", "hold"), POLICY)
    change(file)  # type: ignore[operator]
    found = read(tmp_path)
    assert found.kept == ()
    assert len(found.faults) == 1 and says in found.faults[0].problem


def test_a_file_with_a_true_digest_and_no_verdict_in_it(tmp_path: Path) -> None:
    import hashlib

    for content in (b"[]", b'{"phase": "shadow"}'):
        name = f"2025-03-05T0000Z--{hashlib.sha256(content).hexdigest()[:16]}.json"
        _folder(tmp_path / "verdicts" / "shadow").joinpath(name).write_bytes(content)
    found = [fault.problem for fault in read(tmp_path).faults]
    assert len(found) == 2 and all("no verdict of this version" in problem for problem in found)


def test_keeping_again_mends_a_touched_file(tmp_path: Path) -> None:
    one = verdict("shadow", "2025-03-05", "hold")
    keep(tmp_path, one, POLICY).write_bytes(b"")
    keep(tmp_path, one, POLICY)
    assert read(tmp_path) == chain(one)


def test_a_store_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "verdicts").write_text("in the way")
    with pytest.raises(StoreError, match="could not be kept"):
        keep(tmp_path, verdict("shadow", "2025-03-05"), POLICY)


def test_a_touched_policy_is_not_believed(tmp_path: Path) -> None:
    keep(tmp_path, verdict("shadow", "2025-03-05"), POLICY)
    file = tmp_path / "policies" / f"{POLICY.digest}.json"
    assert read(tmp_path).policies[POLICY.digest]["shadow"]["min_hours"] == 24
    file.write_bytes(file.read_bytes().replace(b"24", b"1"))
    assert read(tmp_path).policies == {}


def _folder(path: Path) -> Path:
    os.makedirs(path, exist_ok=True)
    return path
