"""Which column means what, from its name and from what it holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from analyzer.errors import LogError
from analyzer.init.datasets import Dataset
from analyzer.init.names import CALENDAR, KINDS, LABELS, NAMES, PREDICTIONS, PROXIES, words_in
from analyzer.paths import partitions_of

SEGMENT_VALUES = 50
MOST_SEGMENTS = 6
"""Pairs of segment columns are counted too, so a first file does not name every one there is."""


@dataclass(frozen=True)
class View:
    """One model's log: which rows of a dataset, and its columns under the names they mean."""

    dataset: Dataset
    columns: Mapping[str, str]
    where: str = ""
    model: str = ""
    mapping: Mapping[str, str] = field(default_factory=dict)

    def values(self, name: str) -> pa.ChunkedArray:
        """Sampled values of a column."""
        return self.dataset.sample[self.columns[name]]

    def kind(self, name: str) -> str:
        """What a column holds."""
        return self.dataset.columns[self.columns[name]]


def is_labels(dataset: Dataset) -> bool:
    """A log of labels has a label and nothing that a model would say."""
    if is_proxies(dataset):
        return False
    names = {c: c for c in dataset.columns}
    view = View(dataset, names)
    return find(view, "label") is not None and (
        bool(dataset.words & LABELS) or find(view, "score") is None
    )


def is_proxies(dataset: Dataset) -> bool:
    """A log of fast signals is called so, has ids and times, and nothing that a model would say."""
    view = View(dataset, {c: c for c in dataset.columns})
    return bool(dataset.words & PROXIES) and (
        find(view, "score") is None
        and find(view, "prediction") is None
        and find(view, "request_id") is not None
        and "time" in dataset.columns.values()
    )


def find(view: View, canonical: str, taken: Iterable[str] = ()) -> str | None:
    """The column that means `canonical`: by its usual names, else by a word that gives it away."""
    free = {"_".join(words_in(name)): name for name in reversed(list(view.columns))}
    free = {norm: name for norm, name in free.items() if name not in set(taken)}
    for usual in NAMES[canonical].split():
        if usual in free and view.kind(free[usual]) in KINDS[canonical]:
            return free[usual]
    hints = {
        "score": {"score", "probability", "prob", "proba"},
        "latency_ms": {"latency"},
    }.get(canonical, set())
    for norm, name in reversed(free.items()):
        if hints & set(norm.split("_")) and view.kind(name) in KINDS[canonical]:
            return name
    times = [name for name in free.values() if view.kind(name) == "time"]
    if canonical == "ts" and len(times) == 1:
        return times[0]
    ids = [name for name in view.columns if name in free.values() and is_unique_text(view, name)]
    return ids[0] if canonical == "request_id" and ids else None


def is_unique_text(view: View, name: str) -> bool:
    """Whether a text column holds another value in nearly every row."""
    values = view.values(name)
    return (
        view.kind(name) == "text"
        and len(values) > 1
        and pc.count_distinct(values).as_py() >= 0.98 * len(values)
    )


def mapped(view: View, notes: list[str]) -> View:
    """Find the canonical columns of one model's log."""
    mapping: dict[str, str] = {}
    for canonical in PREDICTIONS:
        name = find(view, canonical, mapping.values())
        if name is None or not _plausible(view, canonical, name, notes):
            continue
        mapping[canonical] = name
    if "request_id" not in mapping or "ts" not in mapping:
        lacking = [c for c in ("request_id", "ts") if c not in mapping]
        raise LogError(
            f"{view.dataset.name}: no column looks like {' or '.join(lacking)}; it has "
            f"{', '.join(view.columns)}. Copy that column under one of these names: "
            f"{NAMES[lacking[0]]}"
        )
    if "score" not in mapping and "prediction" not in mapping:
        raise LogError(
            f"{view.dataset.name}: no column looks like a score or a predicted class; it has "
            f"{', '.join(view.columns)}"
        )
    return View(view.dataset, view.columns, view.where, view.model, mapping)


def _plausible(view: View, canonical: str, name: str, notes: list[str]) -> bool:
    """Whether what a column holds fits what its name promises."""
    words, values = set(words_in(name)), view.values(name)
    if canonical == "score" and words & {"prediction", "pred", "predicted"}:
        return not pa.types.is_integer(values.type)
    if canonical == "latency_ms" and words & {"s", "sec", "seconds", "us", "ns"}:
        notes.append(f"{name!r} is not in milliseconds; log it in ms to have latency judged")
        return False
    if canonical == "error" and view.kind(name) == "text" and "status" in words:
        notes.append(f"{name!r} holds words; map `error` to a flag, status code or message")
        return False
    if canonical == "unit_id" and is_unique_text(view, name):
        notes.append(f"{name!r} differs in every row; not taken as the user")
        return False
    return True


def score_type(champion: View, challenger: View) -> str:
    """What a prediction is, from the sampled scores of both models."""
    if "score" not in champion.mapping or "score" not in challenger.mapping:
        return "class"
    for view in (champion, challenger):
        values = view.values(view.mapping["score"]).cast(pa.float64(), safe=False)
        finite = values.filter(pc.is_finite(values))
        ends = pc.min_max(finite).as_py()
        if ends["min"] is not None and (ends["min"] < 0 or ends["max"] > 1):
            return "regression"
    return "probability"


@dataclass
class Described:
    """Columns that describe a request rather than a model's answer."""

    segments: list[str] = field(default_factory=list)
    numeric: list[str] = field(default_factory=list)
    categorical: list[str] = field(default_factory=list)


def describe(champion: View, challenger: View, notes: list[str]) -> Described:
    """Segments and features among the columns that no model said; what is left goes to `notes`."""
    found, ignored = Described(), []
    for view, name in _free_columns(champion, challenger):
        kind, values = view.kind(name), view.values(name)
        if kind in ("number", "flag"):
            if _is_id(view, name):
                ignored.append(name)
            else:
                found.numeric.append(name)
        elif kind == "text":
            distinct = pc.count_distinct(values, mode="only_valid").as_py()
            if distinct > max(SEGMENT_VALUES, (len(values) - values.null_count) / 2):
                ignored.append(name)
                continue
            found.categorical.append(name)
            if 0 < distinct <= SEGMENT_VALUES:
                found.segments.append(name)
        else:
            ignored.append(name)
    if ignored:
        notes.append(f"not used: {', '.join(ignored)} (ids, times or unusual types)")
    if len(found.segments) > MOST_SEGMENTS:
        notes.append(f"could be segments too: {', '.join(found.segments[MOST_SEGMENTS:])}")
        found.segments = found.segments[:MOST_SEGMENTS]
    return found


def _free_columns(champion: View, challenger: View) -> Iterable[tuple[View, str]]:
    seen: set[str] = set()
    for view in (champion, challenger):
        partitions = set(partitions_of(view.dataset.files[0]))
        for name in view.columns:
            used = name in view.mapping.values() or (name in partitions and name in CALENDAR)
            if name not in seen and not used and name not in PREDICTIONS:
                seen.add(name)
                yield view, name


def _is_id(view: View, name: str) -> bool:
    words, values = words_in(name), view.values(name)
    return words[-1:] == ["id"] and pc.count_distinct(values).as_py() > len(values) / 2
