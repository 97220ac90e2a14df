"""Profiles of a window: the slots' tables, read lazily, cut to whole hours, never recomputed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pyarrow as pa

from analyzer.errors import NothingThere
from analyzer.frozen import Frozen
from analyzer.profile import complete, hours_between, table_kind
from analyzer.store import Manifest, Store
from analyzer.window import Window, show

T = TypeVar("T")
READERS = 2
"""Threads that decode tables of slots."""


class Profiles:
    """The tables of all slots that overlap a window."""

    def __init__(self, store: Store, frozen: Frozen, manifests: Sequence[Manifest], window: Window):
        self.store = store
        self.frozen = frozen
        self.window = window
        self.manifests = [m for m in manifests if window.overlaps(m.start, m.end)]
        self._known: dict[Hashable, Any] = {}

    def table(self, name: str) -> pa.Table:
        """One table over the window. Hourly rows are cut to it; rows of a slot count only where
        the slot lies wholly inside.
        """
        return self.remember(name, lambda: self._read(name))

    def whole_slots(self, name: str) -> pa.Table:
        """One table of every slot that the window touches, nothing cut."""
        return self.remember(
            ("whole", name),
            lambda: self._join(name, self.manifests),
        )

    def remember(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` gives, made once: many checks ask for the same sums of a window."""
        if key not in self._known:
            self._known[key] = make()
        found: T = self._known[key]
        return found

    def _read(self, name: str) -> pa.Table:
        instant = next(iter(table_kind(name).keys))
        slots = [
            m for m in self.manifests if instant != "slot" or self.window.holds(m.start, m.end)
        ]
        if not slots:
            # a table of the right shape without rows
            if not self.manifests:
                raise NothingThere(f"the store holds no slot of {self.window}; run `analyzer scan`")
            return self._join(name, self.manifests[:1]).slice(0, 0)
        whole = self._join(name, slots)
        if all(self.window.holds(m.start, m.end) for m in slots):
            return whole
        return hours_between(whole, instant, self.window.start, self.window.end)

    def _join(self, name: str, manifests: Sequence[Manifest]) -> pa.Table:
        if len(manifests) == 1:  # a young phase, read every hour: no threads for one slot
            parts = [self.store.read(manifests[0], name)]
        else:
            with ThreadPoolExecutor(READERS) as pool:
                parts = list(pool.map(lambda m: self.store.read(m, name), manifests))
        return complete(name, pa.concat_tables(parts, promote_options="default"))

    @property
    def digests(self) -> dict[str, str]:
        """Digest of each slot that the window's numbers come from."""
        return {m.slot: m.digest for m in self.manifests}

    def within(self, window: Window) -> Profiles:
        """The same store, another window."""
        return Profiles(self.store, self.frozen, list(self.store.manifests().values()), window)


def open_profiles(store: Store, window: Window | None = None) -> Profiles:
    """Profiles of `window`, or of everything the store holds.

    Raises NothingThere when nothing was scanned yet, or nothing of that window.
    """
    frozen = store.frozen()
    if frozen is None:
        raise NothingThere(f"{store.path}: no store here yet; run `analyzer scan` first")
    store.roles()
    manifests = list(store.manifests().values())
    if not manifests:
        raise NothingThere(f"{store.path}: the store holds no slot; run `analyzer scan`")
    span = Window(manifests[0].start, manifests[-1].end)
    profiles = Profiles(store, frozen, manifests, window or span)
    if not profiles.manifests:
        raise NothingThere(
            f"{store.path}: holds {show(span.start)} to {show(span.end)}, nothing of "
            f"{profiles.window}; scan those logs or choose another window"
        )
    return profiles
