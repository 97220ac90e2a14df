"""The scan: which slots are new or changed, and their profiles made on any executor."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import (
    Executor,
)
from dataclasses import dataclass

import msgspec
import numpy as np

from analyzer import __version__, sql
from analyzer.config import Rollout
from analyzer.errors import LogError, StoreError
from analyzer.frozen import TRACKED, Frozen, freeze, rows_by_hour
from analyzer.kinds import NOTHING
from analyzer.logs import SIDES, LogFile, Side, has_column, survey
from analyzer.policy import Policy
from analyzer.profile import SCHEMA
from analyzer.reader import read
from analyzer.roles import refuse_swapped, roles_of
from analyzer.scan.ages import COLUMN as FEATURE_TS
from analyzer.scan.freshness import Fingerprint, fingerprint, is_fresh
from analyzer.scan.narrow import Shape
from analyzer.scan.slot import Slot
from analyzer.scan.workers import ordered, team, work
from analyzer.serving import MAX_THRESHOLDS
from analyzer.store import Store, slot_name
from analyzer.window import HOUR, MINUTE

Files = Mapping[Side, list[LogFile]]
Progress = Callable[[int, int], None]
"""Called with rows done and rows in all."""

SPARSE = 10
"""A slot with less than this fraction of the usual rows is no reference."""

WIDE_GROUP = 40
"""Slots that a row group may seem to span before its timestamps are read to know better."""


@dataclass(frozen=True)
class Scan:
    """What a scan did. Slots by name; rows of both logs, about; files that could not be used."""

    scanned: tuple[str, ...]
    kept: tuple[str, ...]
    rows: int
    problems: tuple[LogFile, ...]


def scan(
    rollout: Rollout,
    policy: Policy,
    *,
    jobs: int = 1,
    executor: Executor | None = None,
    progress: Progress | None = None,
    window: tuple[int, int] | None = None,
) -> Scan:
    """Bring the store up to date: profile every slot whose files, config or version changed.

    jobs: worker processes; executor: any `concurrent.futures.Executor` in their place; window:
    limit to slots that overlap [start, end), microseconds UTC. The result is the same bytes for
    any number of workers, any order of files and any interruption in between.

    Raises LogError (no usable log), ConfigError (the models changed places), StoreError (locked,
    foreign, disk full).
    """
    store = Store(rollout.store_path)
    with store.locked():
        refuse_swapped(rollout, store)
        if store.roles() != roles_of(rollout):
            store.save_roles(roles_of(rollout))
        files = _survey(rollout, store)
        busy = _busy_slots(rollout, files)
        if not busy:
            raise LogError(_nothing_usable(files))
        with team(jobs, executor, _new_rows(store, files)) as pool:
            frozen = store.frozen() or _freeze(rollout, store, files, busy)
            shape = shape_of(
                rollout, frozen, files, policy.latency_thresholds, policy.max_feature_age
            )
            old = store.manifests()
            plan = []
            for start in busy:
                slot = slot_of(shape, files, start)
                if window and not (slot.start < window[1] and slot.end > window[0]):
                    continue
                now = fingerprint(slot, _depends(shape))
                if not is_fresh(store, old.get(start), slot, now):
                    plan.append((slot, now))
            kept = sorted(set(old) - {slot.start for slot, _ in plan})
            rows = _run(store, plan, pool, progress)
    return Scan(
        tuple(slot_name(slot.start) for slot, _ in plan),
        tuple(slot_name(start) for start in kept),
        rows,
        tuple(file for side in SIDES for file in files[side] if file.problem),
    )


def _survey(rollout: Rollout, store: Store) -> dict[Side, list[LogFile]]:
    before = store.footers()
    files: dict[Side, list[LogFile]] = {}
    for side in SIDES:
        cache = f"{side} {rollout.digest}"
        known = {(f.name, f.size, f.changed): f for f in before.get(cache, []) if not f.problem}
        files[side] = survey(rollout, side, known)
    now = {f"{side} {rollout.digest}": files[side] for side in SIDES}
    if now != before:
        store.save_footers(now)
    return files


def _nothing_usable(files: Files) -> str:
    problems = [f"{f.name}: {f.problem}" for side in SIDES for f in files[side] if f.problem]
    if problems:
        return "no log file can be used:\n  " + "\n  ".join(problems[:20])
    return "the logs hold no row with a timestamp; check `paths` and the column mapped to ts"


def _busy_slots(rollout: Rollout, files: Files) -> list[int]:
    """Starts of the slots in which some row of either log may lie."""
    length = rollout.time.slot_hours * HOUR
    busy: set[int] = set()
    for side in SIDES:
        for file in files[side]:
            for group in file.groups:
                if file.problem or group.first is None or group.last is None:
                    continue
                first, last = group.first // length, group.last // length
                if last - first < WIDE_GROUP:
                    busy.update(range(first, last + 1))
                else:
                    busy |= _slots_with_rows(rollout, side, file, length)
    return sorted(number * length for number in busy)


def _slots_with_rows(rollout: Rollout, side: Side, file: LogFile, length: int) -> set[int]:
    first, last = file.first or 0, file.last or 0
    found: set[int] = set()
    for batch in read(rollout, side, [file], [], first, last + 1):
        found.update(np.unique(batch.ts // length).tolist())
    return found


def _freeze(rollout: Rollout, store: Store, files: Files, busy: Sequence[int]) -> Frozen:
    """Make columns.json from the earliest slot that the champion's log covers to both ends."""
    length = rollout.time.slot_hours * HOUR
    champion = [f for f in files["champion"] if not f.problem and f.first is not None]
    if not champion:
        raise LogError("the champion's log has no usable file:\n  " + _nothing_usable(files))
    first = min(f.first for f in champion if f.first is not None)
    last = max(f.last for f in champion if f.last is not None)
    own = [s for s in busy if s + length > first and s <= last]
    whole = [s for s in own if first < s + HOUR and last >= s + length - HOUR]
    usual = sum(f.rows for f in champion) / len(own)
    for start in whole or own:
        rows = rows_by_hour(rollout, files["champion"], "champion", start, start + length).sum()
        if rows * SPARSE >= usual:  # not a few rows of a clock gone wrong
            break
    frozen = freeze(rollout, dict(files), start, start + length, SCHEMA)
    store.save_frozen(frozen)
    return frozen


def shape_of(
    rollout: Rollout,
    frozen: Frozen,
    files: Files,
    thresholds: Sequence[float] = (),
    max_age: int = 0,
) -> Shape:
    """What is kept of every row, by the rollout's description and what its logs hold.

    thresholds: latencies in milliseconds; max_age: of fresh features, microseconds. Raises
    StoreError for what the store has no form for.
    """
    kinds = {
        f.schema[rollout.log(side).source("request_id")]
        for side in SIDES
        for f in files[side]
        if not f.problem
    } - {NOTHING}
    features = [*rollout.features.numeric, *rollout.features.categorical]
    logged = {
        side: tuple(
            c
            for c in (*features, *TRACKED, FEATURE_TS)
            if has_column(files[side], rollout, side, c)
        )
        for side in SIDES
    }
    shared = [
        c
        for c in features
        if all(c in logged[side] for side in SIDES) and not _one_column(rollout, c)
    ]
    units = any(has_column(files[side], rollout, side, "unit_id") for side in SIDES)
    thresholds = tuple(sorted(set(thresholds)))
    if len(thresholds) > MAX_THRESHOLDS:
        raise StoreError(f"the policy names more than {MAX_THRESHOLDS} latency thresholds")
    missing = sorted(
        {c for c in (*rollout.features.numeric,) if c not in frozen.bins}
        | {c for c in rollout.features.categorical if c not in frozen.vocabularies}
        | {c for c in rollout.segments.columns if c not in frozen.segments}
    )
    if missing:
        raise StoreError(
            f"{rollout.store_path}: {missing[0]!r} is new in rollout.toml; what a column looks "
            "like is frozen when a store is made, so scan into a new store ([store] path)"
        )
    return Shape(
        rollout,
        frozen,
        thresholds,
        len(kinds) > 1,
        tuple(shared),
        "unit_id" if units else "request_id",
        decided_by(rollout, files),
        logged,
        max_age,
    )


def decided_by(rollout: Rollout, files: Files) -> str:
    """How to tell what was decided, the same for both models; "" where it cannot be told."""
    both = [
        column
        for column in ("decision", "prediction")
        if all(has_column(files[side], rollout, side, column) for side in SIDES)
    ]
    if "decision" in both or rollout.threshold is None:
        return both[0] if both else ""
    return "threshold"


def _one_column(rollout: Rollout, feature: str) -> bool:
    """Whether both models read a feature from the same column of the same rows (a wide log)."""
    champion, challenger = rollout.champion, rollout.challenger
    return (
        champion.paths == challenger.paths
        and champion.where == challenger.where
        and champion.source(feature) == challenger.source(feature)
    )


def slot_of(shape: Shape, files: Files, start: int) -> Slot:
    """The slot that begins at `start` and the files that may hold it or its partners."""
    end = start + shape.rollout.time.slot_hours * HOUR
    slack = int(shape.rollout.time.pairing_slack_minutes * MINUTE)
    near = {
        side: [f for f in files[side] if not f.problem and f.overlaps(start - slack, end + slack)]
        for side in SIDES
    }
    return Slot(shape, start, end, near)


def _depends(shape: Shape) -> str:
    """Digest of all but the files that a slot's tables depend on."""
    texts = [sql.load(name).text for name in ("rows",)]
    parts = (
        SCHEMA,
        __version__,
        shape.rollout.digest,
        shape.frozen,
        shape.thresholds,
        shape.as_text,
        shape.parity,
        shape.bucketed_by,
        shape.decided_by,
        shape.logged,
        shape.max_age,
        shape.rollout.time.calendar,  # which rows lie outside the day of their partition
        texts,
    )
    return hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()[:16]


def _new_rows(store: Store, files: Files) -> int:
    """Rows in files that no profile was made from yet."""
    seen = {tuple(item) for m in store.manifests().values() for item in m.inputs}
    return sum(
        file.rows
        for side in SIDES
        for file in files[side]
        if not file.problem and (side, file.name, file.size, file.changed) not in seen
    )


def _run(
    store: Store,
    plan: Sequence[tuple[Slot, Fingerprint]],
    executor: Executor | None,
    progress: Progress | None,
) -> int:
    weights = {slot.start: sum(slot.weight(side) for side in SIDES) for slot, _ in plan}
    total, done = sum(weights.values()), 0
    if progress:
        progress(0, total)
    pieces: dict[int, dict[str, bytes]] = {}
    facts = {slot.start: now for slot, now in plan}
    for slot, half, tables in work(ordered([slot for slot, _ in plan]), executor):
        ready = pieces.setdefault(slot.start, {})
        ready.update(tables)
        if progress:
            done += weights[slot.start] // 2 if half == "pairs" else -(-weights[slot.start] // 2)
            progress(done, total)
        if "coverage" in ready and "histograms" in ready:
            now = facts[slot.start]
            tables = pieces.pop(slot.start)
            store.save_slot(slot.start, slot.end, tables, now.depends, now.inputs)
    return total
