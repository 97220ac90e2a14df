"""`analyzer init`: guess a first rollout.toml from Parquet schemas and a small sample of rows."""

from __future__ import annotations

import glob
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from analyzer.engine import literal, quote
from analyzer.errors import LogError
from analyzer.logs import kind_of, partitions_of

SAMPLE_FILES = 8
SAMPLE_ROWS = 5_000
SEGMENT_VALUES = 50
LINE = 76
MOST_SEGMENTS = 6
"""Pairs of segment columns are counted too, so a first file does not name every one there is."""


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[^a-z0-9]+", text.lower()) if word]


CHAMPION = set(_words("champion control prod production current baseline incumbent live primary"))
CHALLENGER = set(_words("challenger shadow candidate treatment canary next new experiment"))
LABELS = set(_words("label labels truth outcome outcomes targets feedback"))
WIDE_CHAMPION = CHAMPION | {"old", "a", "v1", "m1", "1"}
WIDE_CHALLENGER = CHALLENGER | {"b", "v2", "m2", "2"}
MODEL_COLUMNS = (
    "model",
    "role",
    "variant",
    "arm",
    "model_role",
    "model_name",
    "model_id",
    "model_version",
    "version",
)
CALENDAR = set(_words("date day dt ds hour year month ymd"))

NAMES = {
    "request_id": "request_id req_id trace_id correlation_id event_id prediction_id "
    "transaction_id uuid guid id",
    "ts": "ts timestamp event_time event_ts request_time request_ts predicted_at prediction_ts "
    "logged_at created_at datetime time",
    "score": "score probability prob proba y_score y_prob y_proba model_score prediction_score "
    "predicted_probability p yhat y_hat y_pred pred predicted predicted_value prediction",
    "prediction": "prediction predicted_class predicted_label class y_pred pred predicted",
    "latency_ms": "latency_ms latency duration_ms response_time_ms inference_ms elapsed_ms "
    "took_ms latency_millis duration elapsed",
    "error": "error is_error failed error_message exception error_code status_code http_status "
    "status",
    "unit_id": "unit_id user_id userid customer_id account_id client_id member_id session_id "
    "device_id tailnum user customer",
    "feature_ts": "feature_ts features_ts feature_time feature_timestamp features_updated_at",
    "decision": "decision action approved",
    "version": "version model_version model_sha release",
    "label": "label target y_true ground_truth y outcome",
    "label_ts": "label_ts label_time labelled_at labeled_at label_timestamp",
}
"""Names that logs give to what the product calls by the key, the likeliest first."""

KINDS = {
    "request_id": {"text", "number"},
    "ts": {"time"},
    "score": {"number"},
    "prediction": {"text", "number", "flag"},
    "latency_ms": {"number"},
    "error": {"flag", "number", "text"},
    "unit_id": {"text", "number"},
    "feature_ts": {"time"},
    "decision": {"text", "number", "flag"},
    "version": {"text", "number"},
    "label": {"text", "number", "flag"},
    "label_ts": {"time"},
}
PREDICTIONS = [name for name in NAMES if not name.startswith("label")]


@dataclass(frozen=True)
class Guess:
    """A first rollout.toml, and what was guessed in sentences for whoever reads along."""

    text: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Dataset:
    """Files that belong together. `columns` tells kinds of the columns, `sample` some rows."""

    name: str
    folder: str
    files: tuple[str, ...]
    columns: Mapping[str, str]
    sample: pa.Table

    @property
    def words(self) -> set[str]:
        """The words in its name."""
        return set(_words(self.name))


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


def guess(paths: Sequence[str | Path], root: str | Path = ".") -> Guess:
    """Read schemas and a few thousand rows; write a rollout.toml meant to lie in `root`.

    Raises LogError when nothing matches, nothing is readable, or which log is whose cannot be
    told; the text says what would help.
    """
    files = _files(paths)
    datasets, unreadable = _datasets(files)
    notes = [f"left out: {path} ({why})" for path, why in unreadable]
    if not datasets:
        raise LogError("no file can be read as Parquet:\n  " + "\n  ".join(notes))
    labels = [d for d in datasets if _is_labels(d)]
    logs = [d for d in datasets if d not in labels]
    champion, challenger = (_mapped(view, notes) for view in _two_views(logs, notes))
    return _written(champion, challenger, labels[0] if labels else None, Path(root), notes)


def _files(paths: Sequence[str | Path]) -> list[str]:
    found: list[str] = []
    for given in map(str, paths):
        if "://" in given:
            raise LogError(f"{given}: init reads local files; copy one file of each log here first")
        if os.path.isdir(given):
            matches = glob.glob(os.path.join(glob.escape(given), "**", "*.parquet"), recursive=True)
        elif os.path.exists(given):
            matches = [given]
        else:
            matches = [p for p in glob.glob(given, recursive=True) if os.path.isfile(p)]
        if not matches:
            raise LogError(f"{given}: holds or matches no Parquet file")
        found += matches
    return sorted({os.path.abspath(path) for path in found})


def _base(path: str) -> str:
    """The folder of a log: Hive partitions and folders named by date taken off."""
    folder = os.path.dirname(path)
    while re.fullmatch(r".*=.*|[\d\W_]*\d[\d\W_]*", os.path.basename(folder)):
        folder = os.path.dirname(folder)
    return folder


def _datasets(files: Sequence[str]) -> tuple[list[Dataset], list[tuple[str, str]]]:
    """Files by folder and by the role words in their names."""
    telling = CHAMPION | CHALLENGER | LABELS
    groups: dict[tuple[str, str], list[str]] = {}
    for path in files:
        stem = " ".join(w for w in _words(Path(path).stem) if w in telling)
        alone = Path(path).stem if len(files) == 2 else ""
        groups.setdefault((_base(path), stem or alone), []).append(path)
    common = os.path.commonpath([folder for folder, _ in groups])
    found, unreadable = [], []
    for (folder, stem), members in sorted(groups.items()):
        tables = []
        for path in _spread(members, SAMPLE_FILES):
            try:
                tables.append(_sample(path))
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
                unreadable.append((path, str(error).splitlines()[0][:120]))
        if tables:
            name = f"{os.path.relpath(folder, common)} {stem}".strip(". ")
            found.append(_dataset(name or os.path.basename(folder), folder, members, tables))
    return found, unreadable


def _dataset(name: str, folder: str, members: Sequence[str], tables: Sequence[pa.Table]) -> Dataset:
    try:
        sample = pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # types that differ: `check` names the files
        sample = tables[0]
    kinds = {column.name: kind_of(column.type) for column in sample.schema}
    return Dataset(name, folder, tuple(members), kinds, sample)


def _spread(members: Sequence[str], most: int) -> list[str]:
    step = max(1, -(-len(members) // most))
    return [*members[::step], *members[-1:]][:most] if len(members) > most else list(members)


def _sample(path: str) -> pa.Table:
    with pq.ParquetFile(path) as file:
        groups = sorted({0, file.num_row_groups // 2, max(file.num_row_groups - 1, 0)})
        parts = []
        for group in groups[: file.num_row_groups]:
            batches = file.iter_batches(SAMPLE_ROWS, row_groups=[group], use_threads=False)
            parts += [batch for batch in (next(batches, None),) if batch is not None]
        table = pa.Table.from_batches(parts, file.schema_arrow)
    for key, value in partitions_of(path).items():
        if key not in table.column_names:
            table = table.append_column(key, pa.array([value] * len(table), pa.string()))
    return table


def _is_labels(dataset: Dataset) -> bool:
    """A log of labels has a label and nothing that a model would say."""
    names = {c: c for c in dataset.columns}
    view = View(dataset, names)
    return _find(view, "label") is not None and (
        bool(dataset.words & LABELS) or _find(view, "score") is None
    )


def _find(view: View, canonical: str, taken: Iterable[str] = ()) -> str | None:
    """The column that means `canonical`: by its usual names, else by a word that gives it away."""
    free = {"_".join(_words(name)): name for name in reversed(list(view.columns))}
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
    ids = [name for name in view.columns if name in free.values() and _unique_text(view, name)]
    return ids[0] if canonical == "request_id" and ids else None


def _unique_text(view: View, name: str) -> bool:
    values = view.values(name)
    return (
        view.kind(name) == "text"
        and len(values) > 1
        and pc.count_distinct(values).as_py() >= 0.98 * len(values)
    )


def _two_views(logs: Sequence[Dataset], notes: list[str]) -> tuple[View, View]:
    """Champion and challenger from two datasets, a model column or one wide row."""
    if not logs:
        raise LogError("only labels were found; name the logs of champion and challenger too")
    if len(logs) == 1:
        views = _by_model_column(logs[0], notes) or _wide(logs[0], notes)
        if views is None:
            raise LogError(
                f"{logs[0].name}: one dataset, but neither a column that names two models "
                f"({', '.join(MODEL_COLUMNS[:4])}) nor two score columns; name the other log too"
            )
        return views
    champion, challenger = _roles(logs, notes)
    return tuple(  # type: ignore[return-value]
        View(d, {c: c for c in d.columns}, model=d.name) for d in (champion, challenger)
    )


def _roles(logs: Sequence[Dataset], notes: list[str]) -> tuple[Dataset, Dataset]:
    ours = [d for d in logs if d.words & CHAMPION and not d.words & CHALLENGER]
    theirs = [d for d in logs if d.words & CHALLENGER and not d.words & CHAMPION]
    if len(logs) == 2 and len(ours) + len(theirs) == 1:
        other = next(d for d in logs if d not in ours + theirs)
        ours, theirs = ours or [other], theirs or [other]
    if len(ours) == 1 and len(theirs) == 1:
        notes.append(f"champion: {ours[0].name}; challenger: {theirs[0].name}, by their names")
        return ours[0], theirs[0]
    if len(logs) > 2:
        names = ", ".join(d.name for d in logs)
        raise LogError(
            f"{len(logs)} logs were found ({names}); which is the champion's and which the "
            "challenger's cannot be told: name the folders of just those two"
        )
    wide_first = sorted(logs, key=lambda d: (-len(d.columns), d.name))
    notes.append(
        f"NOT SURE: took {wide_first[0].name!r} as champion and {wide_first[1].name!r} as "
        "challenger because it logs more columns; swap the two tables if that is wrong"
    )
    return wide_first[0], wide_first[1]


def _by_model_column(dataset: Dataset, notes: list[str]) -> tuple[View, View] | None:
    """One dataset that holds both models' rows, told apart by a column."""
    named = {"_".join(_words(c)): c for c in dataset.columns if dataset.columns[c] == "text"}
    for usual in MODEL_COLUMNS:
        if usual not in named:
            continue
        values = _all_values(dataset, named[usual])
        pair = _ordered(values)
        if pair is None:
            continue
        notes.append(f"one log, two models: column {named[usual]!r} is {pair[0]!r} or {pair[1]!r}")
        if not (set(_words(pair[0])) & CHAMPION or set(_words(pair[1])) & CHALLENGER):
            notes.append(f"NOT SURE: took {pair[0]!r} as champion; swap the two if that is wrong")
        rest = {c: c for c in dataset.columns if c != named[usual]}
        return tuple(  # type: ignore[return-value]
            View(dataset, rest, f"{quote(named[usual])} = {literal(value)}", value)
            for value in pair
        )
    return None


def _all_values(dataset: Dataset, column: str) -> list[str]:
    """Values of a column over the sampled files, read whole: files are often sorted by model."""
    seen = set(pc.unique(dataset.sample[column]).to_pylist())
    for path in _spread(dataset.files, SAMPLE_FILES):
        if column in partitions_of(path):
            continue
        try:
            table = pq.read_table(path, columns=[column], partitioning=None)
        except (pa.ArrowInvalid, OSError):
            continue
        seen |= set(pc.unique(table[column]).to_pylist())
    return sorted(value for value in seen if value is not None)


def _ordered(values: Sequence[str]) -> tuple[str, str] | None:
    """Which of two values is the champion; None where two cannot be told."""
    ours = [v for v in values if set(_words(v)) & CHAMPION]
    theirs = [v for v in values if set(_words(v)) & CHALLENGER]
    if len(ours) == 1 and len(theirs) == 1 and ours != theirs:
        return ours[0], theirs[0]
    if len(values) != 2:
        return None
    if len(ours) == 1 or len(theirs) == 1:
        first = ours[0] if len(ours) == 1 else next(v for v in values if v not in theirs)
        return first, next(v for v in values if v != first)
    return values[0], values[1]


def _wide(dataset: Dataset, notes: list[str]) -> tuple[View, View] | None:
    """One row per request that holds what both models said."""
    sides = []
    for own, other in ((WIDE_CHAMPION, WIDE_CHALLENGER), (WIDE_CHALLENGER, WIDE_CHAMPION)):
        columns = {}
        for name in dataset.columns:
            words = _words(name)
            kept = "_".join(w for w in words if w not in own)
            if set(words) & own and kept and not set(words) & other:
                columns[kept] = name
        sides.append(columns)
    ours, theirs = sides
    paired = ours.keys() & theirs.keys()
    views = []
    for columns in sides:
        own_columns = {kept: columns[kept] for kept in columns if kept in paired}
        taken = {side[kept] for side in sides for kept in paired}
        shared = {c: c for c in dataset.columns if c not in taken and c not in own_columns}
        views.append(View(dataset, {**shared, **own_columns}))
    said = [
        _find(View(dataset, {k: ours[k] for k in sorted(paired)}), c)
        for c in ("score", "prediction")
    ]
    if not any(said):
        return None
    shown = next(s for s in said if s)
    notes.append(f"one wide row: {ours[shown]!r} is the champion's, {theirs[shown]!r} the other's")
    return views[0], views[1]


def _mapped(view: View, notes: list[str]) -> View:
    """Find the canonical columns of one model's log."""
    mapping: dict[str, str] = {}
    for canonical in PREDICTIONS:
        name = _find(view, canonical, mapping.values())
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
    words, values = set(_words(name)), view.values(name)
    if canonical == "score" and words & {"prediction", "pred", "predicted"}:
        return not pa.types.is_integer(values.type)
    if canonical == "latency_ms" and words & {"s", "sec", "seconds", "us", "ns"}:
        notes.append(f"{name!r} is not in milliseconds; log it in ms to have latency judged")
        return False
    if canonical == "error" and view.kind(name) == "text" and "status" in words:
        notes.append(f"{name!r} holds words; map `error` to a flag, status code or message")
        return False
    if canonical == "unit_id" and _unique_text(view, name):
        notes.append(f"{name!r} differs in every row; not taken as the user")
        return False
    return True


def _score_type(champion: View, challenger: View) -> str:
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
class _Described:
    """Columns that describe a request rather than a model's answer."""

    segments: list[str] = field(default_factory=list)
    numeric: list[str] = field(default_factory=list)
    categorical: list[str] = field(default_factory=list)


def _describe(champion: View, challenger: View, notes: list[str]) -> _Described:
    found, ignored = _Described(), []
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
    words, values = _words(name), view.values(name)
    return words[-1:] == ["id"] and pc.count_distinct(values).as_py() > len(values) / 2


def _written(
    champion: View, challenger: View, labels: Dataset | None, root: Path, notes: list[str]
) -> Guess:
    score = _score_type(champion, challenger)
    found = _describe(champion, challenger, notes)
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
    parts += _closing()
    notes.insert(0, f"score type: {score}")
    for side, view in (("champion", champion), ("challenger", challenger)):
        pairs = ", ".join(f"{c} = {view.columns[n]}" for c, n in view.mapping.items())
        notes.append(f"{side}: {len(view.dataset.files)} files; {pairs}")
    notes.append(
        f"segments: {', '.join(found.segments) or 'none'}; features: {len(found.numeric)} numeric, "
        f"{len(found.categorical)} categorical; critical: none named yet"
    )
    return Guess("\n".join(parts), tuple(notes))


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


def _feature_tables(found: _Described) -> list[str]:
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
        name = _find(view, canonical, mapping.values())
        if name is not None:
            mapping["label_ts" if canonical == "ts" else canonical] = name
        if canonical == "label_ts" and name is not None:
            break
    renamed = {c: n for c, n in mapping.items() if c != n}
    if renamed:
        lines.append("[labels.columns]")
        lines += [f"{_key(c)} = {_text(n)}" for c, n in renamed.items()]
    notes.append(f"labels: {labels.name}, {', '.join(f'{c} = {n}' for c, n in mapping.items())}")
    return [*lines, ""]


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
