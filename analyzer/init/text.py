"""The text of a first rollout.toml, with comments for whoever corrects it."""

from __future__ import annotations

import glob
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

import pyarrow.compute as pc

from analyzer.init.columns import Described, View, describe, find, score_type
from analyzer.init.datasets import Dataset

LINE = 76
MOST_PROXIES = 5
LEAST_LABELS = 100
"""Labels in a sample below which a class that is missing proves nothing."""


def written(
    champion: View,
    challenger: View,
    labels: Dataset | None,
    root: Path,
    notes: list[str],
    proxies: Sequence[Dataset] = (),
) -> str:
    """The whole file, meant to lie in `root`; what it says is also put into `notes`."""
    score = score_type(champion, challenger)
    found = describe(champion, challenger, notes)
    parts = [
        "# One rollout: a champion, its challenger, and where both log. Written by `analyzer init`",
        "# from a sample of the logs; correct what it guessed wrong, then run `analyzer check`.",
        "# Relative paths start at this file's folder.",
        f"name = {_text(root.absolute().name or 'rollout')}",
        "",
    ]
    for side, view in (("champion", champion), ("challenger", challenger)):
        parts += _log_table(side, view, root)
    parts += _score_table(score)
    parts += _feature_tables(found)
    parts += _time_table(champion, challenger, notes)
    if labels is not None:
        parts += _labels_table(labels, root, notes)
        for signals in proxies:
            parts += _proxy_tables(signals, root, notes)
    notes += [f"not used: {p.name} (signals need labels)" for p in proxies if labels is None]
    parts += _closing()
    notes.insert(0, f"score type: {score}")
    for side, view in (("champion", champion), ("challenger", challenger)):
        pairs = ", ".join(f"{c} = {view.columns[n]}" for c, n in view.mapping.items())
        notes.append(f"{side}: {len(view.dataset.files)} files; {pairs}")
    notes.append(
        f"segments: {', '.join(found.segments) or 'none'}; features: {len(found.numeric)} numeric, "
        f"{len(found.categorical)} categorical; critical: none named yet"
    )
    return "\n".join(parts)


def _text(value: str) -> str:
    """A TOML string: JSON's escapes, and the one control character that JSON lets through."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _text(name)


def _list(values: Sequence[str]) -> str:
    """A TOML list, several to a line."""
    items = [_text(value) for value in values]
    if sum(map(len, items)) + 2 * len(items) <= LINE:
        return f"[{', '.join(items)}]"
    lines = [""]
    for item in items:
        if len(lines[-1]) + len(item) > LINE:
            lines.append("")
        lines[-1] += f" {item},"
    return "[\n" + "".join(f"   {line}\n" for line in lines) + "]"


def _log_table(side: str, view: View, root: Path) -> list[str]:
    lines = [f"[{side}]"]
    if view.model and view.where:
        lines.append(f"name = {_text(view.model)}")
    lines.append(f"paths = {_list(_patterns(view.dataset, root))}")
    if view.where:
        lines.append(f"where = {_text(view.where)}  # SQL over the log's own columns")
    renamed = {c: view.columns[n] for c, n in view.mapping.items() if c != view.columns[n]}
    others = {n: c for n, c in view.columns.items() if n != c and n not in view.mapping.values()}
    if renamed or others:
        lines += ["", f"[{side}.columns]  # what the product calls it = what the log calls it"]
        lines += [f"{_key(c)} = {_text(name)}" for c, name in {**renamed, **others}.items()]
    return [*lines, ""]


def _patterns(dataset: Dataset, root: Path) -> list[str]:
    """The shortest glob that matches the dataset's files and no other; it finds new files too."""
    folder = os.path.relpath(dataset.folder, root.absolute())
    word = re.match(r"[^\W\d_]*", os.path.basename(dataset.files[0]))
    tries = ["*.parquet", "**/*.parquet", f"{word[0] if word else ''}*.parquet"]
    for pattern in tries:
        full = os.path.join(glob.escape(dataset.folder), pattern)
        if set(glob.glob(full, recursive=True)) == set(dataset.files):
            return [os.path.normpath(os.path.join(glob.escape(folder), pattern))]
    return [os.path.relpath(file, root.absolute()) for file in dataset.files]


def _score_table(score: str) -> list[str]:
    lines = ["[score]", f'type = "{score}"  # probability, regression or class']
    if score == "probability":
        lines.append("threshold = 0.5  # where a probability becomes a decision")
    lines.append('# harm = "up"  # the direction that hurts: up, down or both (default)')
    return [*lines, ""]


def _feature_tables(found: Described) -> list[str]:
    return [
        "[segments]  # who was served; at most 50 values a column are kept apart",
        f"columns = {_list(found.segments)}",
        "",
        "[features]",
        f"numeric = {_list(found.numeric)}",
        f"categorical = {_list(found.categorical)}",
        "# A critical feature must be available (few NULLs, the same for both models) for a gate",
        "# to pass. Only you know which ones the model cannot do without:",
        f"# critical = {_list((found.numeric + found.categorical)[:2]).replace(chr(10), ' ')}",
        "",
    ]


def _time_table(champion: View, challenger: View, notes: list[str]) -> list[str]:
    naive = [
        view.columns[view.mapping["ts"]]
        for view in (champion, challenger)
        if view.values(view.mapping["ts"]).type.tz is None
    ]
    lines = ["[time]"]
    if naive:
        lines += [
            f"# {_text(naive[0])} has no time zone: take the # off and say in which zone it is",
            '# zone = "UTC"',
        ]
        notes.append(f"TO DO: {naive[0]!r} has no time zone; declare one as `zone` under [time]")
    return [
        *lines,
        'calendar = "UTC"  # where people live, e.g. "Europe/Paris": hours of the week follow it',
        "# settle_hours = 3  # how long late files may still come before a slot is judged",
        "",
    ]


def _labels_table(labels: Dataset, root: Path, notes: list[str]) -> list[str]:
    view = View(labels, {c: c for c in labels.columns})
    lines = ["[labels]", f"paths = {_list(_patterns(labels, root))}"]
    mapping: dict[str, str] = {}
    for canonical in ("request_id", "label", "label_ts", "ts"):
        name = find(view, canonical, mapping.values())
        if name is not None:
            mapping["label_ts" if canonical == "ts" else canonical] = name
        if canonical == "label_ts" and name is not None:
            break
    lines += _arrival(view, mapping, notes)
    renamed = {c: n for c, n in mapping.items() if c != n}
    if renamed:
        lines.append("[labels.columns]")
        lines += [f"{_key(c)} = {_text(n)}" for c, n in renamed.items()]
    notes.append(f"labels: {labels.name}, {', '.join(f'{c} = {n}' for c, n in mapping.items())}")
    return [*lines, ""]


def _proxy_tables(signals: Dataset, root: Path, notes: list[str]) -> list[str]:
    """A table per signal of a log: of each word in its `name` or `signal`, or one for all rows."""
    usual = {c.lower(): c for c in signals.columns}
    texts = [usual[c] for c in ("name", "signal", "proxy") if _is(signals, usual.get(c), "text")]
    flags = ("label", "signal", "value", "flag", "clicked")
    told = [usual[c] for c in flags if _is(signals, usual.get(c), "number", "flag")]
    view = View(signals, {c: c for c in signals.columns})
    mapping = {"request_id": find(view, "request_id"), "label_ts": find(view, "label_ts")}
    mapping["label_ts"] = mapping["label_ts"] or find(view, "ts")
    lines = []
    words = _words(signals, texts[0]) if texts else [""]
    for word in words if told or texts else []:
        table = re.sub(r"[^A-Za-z0-9_-]+", "-", word).strip("-_")[:40] or "signal"
        lines += [f"[proxies.{table}]  # a fast signal in place of late labels"]
        lines += [f"paths = {_list(_patterns(signals, root))}"]
        lines += [f"name = {_text(word)}"] if word else []
        lines += [] if told else [f"positive = {_text(word)}  # every such row is a yes"]
        lines += ["# open_hours = 72  # without a signal by then, there is none"]
        columns = {**mapping, "label": told[0] if told else texts[0]}
        columns |= {"name": texts[0]} if word else {}
        renamed = {c: n for c, n in columns.items() if n is not None and c != n}
        lines += [f"[proxies.{table}.columns]"] if renamed else []
        lines += [*(f"{_key(c)} = {_text(n)}" for c, n in renamed.items()), ""]
        notes.append(
            f"proxy {table}: {signals.name}, {', '.join(f'{c} = {n}' for c, n in columns.items())}"
        )
    if not lines:
        notes.append(f"not used: {signals.name} (no column tells what was signalled)")
    return lines


def _is(dataset: Dataset, column: str | None, *kinds: str) -> bool:
    return column is not None and dataset.columns[column] in kinds


def _words(dataset: Dataset, column: str) -> list[str]:
    """Words of a sampled column, the first few; names that would share a table are left out."""
    found = pc.unique(dataset.sample[column].drop_null()).to_pylist()
    plain = {
        re.sub(r"[^A-Za-z0-9_-]+", "-", str(w)).strip("-_")[:40] or "signal": str(w) for w in found
    }
    return sorted(plain.values())[:MOST_PROXIES]


def _arrival(view: View, mapping: dict[str, str], notes: list[str]) -> list[str]:
    """How labels come, as far as a sample tells: only positives, or not."""
    values = view.values(mapping["label"]).drop_null()
    distinct = set(pc.unique(values).to_pylist())
    # True == 1, so that flags are understood as well
    alone = distinct == {1} and len(values) >= LEAST_LABELS
    if alone:
        notes.append(f"labels: all {len(values)} sampled are positive; arrival = positives")
    return [
        f'arrival = "{"positives" if alone else "both"}"  # or positives (no news means not yet), '
        "selective, sampled",
        "# open_days = 30  # how long a label is waited for",
        '# positive = "fraud"  # the label that means yes, where it is not 1 or true',
    ]


def _closing() -> list[str]:
    return [
        "[shadow]",
        "mirror_share = 1.0  # what part of the traffic the challenger is shown",
        "",
        "[store]",
        'path = ".analyzer"  # where profiles are kept',
        "# redact_ids = true  # keep request ids out of it",
        "",
        "# [policy]",
        '# path = "policy.toml"  # your own thresholds; without it the shipped ones',
        "",
    ]
