"""What was known of a proxy on a date: a sum of its fragments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from analyzer.config import Rollout
from analyzer.errors import ConfigError
from analyzer.frozen import Frozen
from analyzer.labels.cells import ALL_ROWS, NONE, Codes, Ints, PairCells
from analyzer.labels.evidence import Chosen, picked
from analyzer.labels.proxies.signals import proxy_store
from analyzer.labels.tables import DAY, QUANTA, words_of
from analyzer.logs import Side
from analyzer.profile import LABEL_TABLES, empty
from analyzer.store import Store


@dataclass(frozen=True, eq=False)
class Signalled:
    """Pairs whose signal is settled: one row a cell and day on which it became known.

    pairs: as `PairCells`, score bins four times as coarse; `age` is the day from which the row is
    known minus the prediction day. signal: 1 yes, 0 no.
    """

    pairs: PairCells
    signal: Codes

    def rows(self, chosen: Chosen) -> Signalled:
        """Some of the rows."""
        return Signalled(picked(self.pairs, chosen), self.signal[chosen])

    def before(self, day: int) -> Signalled:
        """What was known when a day began."""
        return self.rows(self.pairs.prediction_day + self.pairs.age < day)


@dataclass(frozen=True, eq=False)
class Proxy:
    """A proxy as known when day `as_of` (since 1970, UTC) began.

    made: every pair with a settled signal, as if its label were 0. labelled: those with a label,
    -1 where a revision took one away. faults: signals left out by reason. wait: days until a
    signal is settled.
    """

    name: str
    as_of: int
    wait: int
    made: Signalled
    labelled: Signalled
    faults: dict[str, int]

    def at(self, as_of: int) -> Proxy:
        """What was known on an earlier day. Raises ValueError for a later one."""
        if as_of > self.as_of:
            raise ValueError(f"day {as_of} lies after {self.as_of}, up to which signals are known")
        made, labelled = self.made.before(as_of), self.labelled.before(as_of)
        return Proxy(self.name, as_of, self.wait, made, labelled, self.faults)


def proxy(rollout: Rollout, name: str, as_of: int) -> Proxy:
    """A proxy as known when day `as_of` (days since 1970, UTC) began, exact for any past date.

    Empty before its signals were joined. Raises ConfigError for a proxy that is not described,
    StoreError where a fragment is damaged.
    """
    if name not in rollout.proxies:
        raise ConfigError(f"[proxies] does not describe {name!r}")
    store = Store(rollout.store_path)
    frozen = store.frozen()
    own = proxy_store(store, name)
    held = own.manifests()
    chosen = [held[start] for start in sorted(held) if start // DAY < as_of]
    tables = {
        kind: _joined([own.read(m, kind) for m in chosen], kind)
        for kind in ("signalled_pairs", "signalled_labels", "label_faults")
    }
    faults: dict[str, int] = {}
    left_out = tables["label_faults"]
    for reason, n in zip(left_out["reason"].to_pylist(), left_out["n"].to_pylist(), strict=True):
        said = reason.replace("label", "signal")
        faults[said] = faults.get(said, 0) + n
    words = words_of(rollout.label_kind, frozen) if frozen else ()
    made, labelled = (
        _signalled(tables[kind], words, frozen) for kind in ("signalled_pairs", "signalled_labels")
    )
    wait = -(-round(rollout.proxies[name].open_hours * 3600) // 86_400)
    return Proxy(name, as_of, wait, made, labelled, {k: n for k, n in sorted(faults.items()) if n})


@dataclass(frozen=True, eq=False)
class Rates:
    """One model's requests with a settled signal by prediction day: n, and how many said yes."""

    first: int
    n: Ints
    yes: Ints


def rates(rollout: Rollout, name: str, side: Side, as_of: int) -> Rates:
    """A proxy's signals on a model's own requests, as known when day `as_of` (days since 1970,
    UTC) began: pairs are not needed, each arm of a split has its own. Raises as `proxy` does.
    """
    if name not in rollout.proxies:
        raise ConfigError(f"[proxies] does not describe {name!r}")
    own = proxy_store(Store(rollout.store_path), name)
    held = own.manifests()
    table = _joined(
        [own.read(held[at], "signalled_sides") for at in sorted(held) if at // DAY < as_of],
        "signalled_sides",
    )
    table = table.filter(pc.equal(table["model"], side))
    day, signal, n = (table[c].to_numpy() for c in ("prediction_day", "signal", "n"))
    if not len(day):
        return Rates(as_of, np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
    first = int(day.min())
    every, yes = (np.bincount(day - first, weights=w).astype(np.int64) for w in (n, n * signal))
    return Rates(first, every, yes)


def _joined(parts: Sequence[pa.Table], kind: str) -> pa.Table:
    return pa.concat_tables([empty(kind, ["n"]), *parts], promote_options="default")


def _signalled(table: pa.Table, words: Sequence[str], frozen: Frozen | None) -> Signalled:
    scale = frozen.scale if frozen else 1.0

    def numbers(name: str) -> Ints:
        values: Ints = table[name].to_numpy()
        return values

    def coded(name: str) -> Codes:
        found = pc.index_in(table[name], value_set=pa.array(words, pa.string()))
        return np.asarray(found.fill_null(NONE).combine_chunks()).astype(np.int16)

    sums = [c for c in table.schema.names if c not in LABEL_TABLES["signalled_pairs"].keys]
    pairs = PairCells(
        numbers("prediction_day").astype(np.int32),
        (numbers("label_day") - numbers("prediction_day")).astype(np.int16),
        numbers("bucket").astype(np.int16),
        numbers("champion_bin").astype(np.int16),
        numbers("challenger_bin").astype(np.int16),
        coded("champion_called"),
        coded("challenger_called"),
        coded("label"),
        np.full(table.num_rows, ALL_ROWS, dtype=np.int32),
        numbers("n"),
        {c: numbers(c).astype(np.float64) * QUANTA[c](scale) for c in sums if c != "n"},
    )
    return Signalled(pairs, numbers("signal").astype(np.int16))
