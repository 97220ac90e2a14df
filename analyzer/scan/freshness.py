"""Is a slot's profile still what a scan would make of its files?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyzer.ids import pairing_keys
from analyzer.logs import SIDES, LogFile, Side
from analyzer.reader import read
from analyzer.scan.slot import Slot
from analyzer.store import Manifest, Store
from analyzer.window import MINUTE

Input = tuple[str, str, int, int]


@dataclass(frozen=True)
class Fingerprint:
    """What a slot's tables follow from: a digest of all but the files, and the files."""

    depends: str
    inputs: list[Input]


def fingerprint(slot: Slot, depends: str) -> Fingerprint:
    """The fingerprint of a slot as its files are now: side, name, size, modification time."""
    inputs = [_input(side, file) for side in SIDES for file in slot.files[side]]
    return Fingerprint(depends, inputs)


def _input(side: Side, file: LogFile) -> Input:
    return side, file.name, file.size, file.changed


def is_fresh(store: Store, manifest: Manifest | None, slot: Slot, now: Fingerprint) -> bool:
    """Whether the profile that `manifest` names can stay.

    Every night the new day's first files reach into the slack after yesterday. Yesterday is then
    not scanned again: it can only change if one of its request ids occurs in that slack.
    """
    if manifest is None or manifest.depends != now.depends or not store.intact(manifest):
        return False
    if manifest.inputs == now.inputs:
        return True
    before = set(manifest.inputs)
    added = {side: [f for f in slot.files[side] if _input(side, f) not in before] for side in SIDES}
    new = [file for files in added.values() for file in files]
    if before - set(now.inputs) or any(file.overlaps(slot.start, slot.end) for file in new):
        return False
    if _reach_in(slot, added):
        return False
    store.adopt(manifest, now.inputs)
    return True


def _reach_in(slot: Slot, added: dict[Side, list[LogFile]]) -> bool:
    """Whether a request of the slot occurs also in the added files, within the slack."""
    slack = int(slot.shape.rollout.time.pairing_slack_minutes * MINUTE)
    around = [(slot.start - slack, slot.start), (slot.end, slot.end + slack)]
    outside = np.sort(_joined(_keys(slot, added, around)))
    if not len(outside):
        return False
    for keys in _keys(slot, slot.files, [(slot.start, slot.end)]):
        place = np.minimum(np.searchsorted(outside, keys), len(outside) - 1)
        if bool((outside[place] == keys).any()):
            return True
    return False


def _keys(
    slot: Slot,
    files: Mapping[Side, Sequence[LogFile]],
    spans: Iterable[tuple[int, int]],
) -> Iterator[NDArray[np.uint64]]:
    shape = slot.shape
    for start, end in spans:
        for side in SIDES:
            for batch in read(shape.rollout, side, files[side], ["request_id"], start, end):
                yield pairing_keys(batch.columns["request_id"], shape.as_text)[0]


def _joined(parts: Iterable[NDArray[np.uint64]]) -> NDArray[np.uint64]:
    return np.concatenate([np.zeros(0, dtype=np.uint64), *parts])
